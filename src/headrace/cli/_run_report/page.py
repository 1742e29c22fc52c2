"""The report as one page that needs nothing else: it may be mailed, printed, and opened without a network."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

from headrace._version import __version__
from headrace.cli._run_report.charts import COLOURS, chart
from headrace.cli._run_report.reading import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headrace.cli._run_report.reading import Facts, Moment

_LIGHT: Final = ("#2563eb", "#b45309", "#dc2626", "#047857", "#7c3aed")
_DARK: Final = ("#60a5fa", "#fbbf24", "#f87171", "#34d399", "#a78bfa")
_STYLE: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#18181b;--dim:#52525b;--line:#d4d4d8;--soft:#f4f4f5;%LIGHT%}
@media(prefers-color-scheme:dark){:root{--paper:#131316;--ink:#f4f4f5;--dim:#a1a1aa;--line:#3f3f46;--soft:#202024;%DARK%}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1rem;background:var(--paper);color:var(--ink);
font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.3rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}p{margin:.3rem 0;color:var(--dim)}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.5rem;margin:1rem 0}
.figures div{background:var(--soft);border-radius:.4rem;padding:.45rem .6rem}
.figures dt{color:var(--dim);font-size:.8rem}.figures dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,22rem),1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem}.unit{color:var(--dim);margin-right:.6rem}
.key{white-space:nowrap;margin-right:.7rem}.key i{display:inline-block;width:.7rem;height:.2rem;margin-right:.3rem;
vertical-align:middle}
svg{width:100%;height:auto;display:block}svg text{font:10px system-ui,sans-serif;fill:var(--dim)}
.grid{stroke:var(--line);stroke-width:.6;fill:none}.mark{stroke:var(--dim);stroke-dasharray:2 3;fill:none}
polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88rem}
th,td{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th{color:var(--dim);font-weight:600;white-space:nowrap}
@media print{:root{--paper:#fff;--ink:#000;--dim:#444;--line:#bbb;--soft:#f2f2f2;%LIGHT%}body{max-width:none;padding:0}
.scroll{overflow:visible}tr{break-inside:avoid}}
"""


def page(facts: Facts) -> str:
    """Write the page.

    Args:
        facts: What is shown.
    """
    begun = f"{facts.runs[0][0]:%Y-%m-%d %H:%M} UTC" if facts.runs else "no run was sampled"
    again = len(facts.runs) - 1
    resumed = "" if again < 1 else ", resumed once" if again == 1 else f", resumed {again} times"
    body = [
        f"<h1>{html.escape(facts.name)}</h1><p>{begun}{resumed}</p>",
        '<dl class="figures">',
        *(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in _figures(facts)),
        "</dl>",
    ]
    if facts.moments:
        body += ["<h2>Over time</h2>", '<div class="charts">', *_charts(facts), "</div>"]
    body += _tables(facts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{html.escape(facts.name)}: report</title><style>{_style()}</style></head>\n<body>\n"
        + "\n".join(body)
        + f"\n<p>headrace {html.escape(__version__)}</p></body></html>\n"
    )


def _style() -> str:
    style = _STYLE
    for name, colours in (("%LIGHT%", _LIGHT), ("%DARK%", _DARK)):
        style = style.replace(name, "".join(f"--c{n}:{colour};" for n, colour in enumerate(colours)))
    return style + "".join(f".c{n}{{stroke:var(--c{n})}}.k{n}{{background:var(--c{n})}}" for n in range(COLOURS))


def _figures(facts: Facts) -> list[tuple[str, str]]:
    shares = [(f"p{share}", f"{seconds * 1000:,.1f} ms") for share, seconds in facts.percentiles.items()]
    return [*facts.figures, *shares]


def _charts(facts: Facts) -> list[str]:
    """Draw what changes over time; what never happened is left out."""
    moments = facts.moments
    at = [moment.at for moment in moments]
    marks = [begin for _, begin in facts.runs]
    shares = [(f"p{share}", [moment.latencies.get(share, 0.0) * 1000 for moment in moments]) for share in (50, 95, 99)]
    kinds = [kind for kind, _ in facts.errors.most_common(COLOURS)]
    failed = [(kind, [moment.failed.get(kind, 0.0) for moment in moments]) for kind in kinds]
    drawn = [
        chart("Throughput", at, [("", _each(moments, "rate"))], "calls/s", marks),
        chart("Latency", at, shares, "ms", marks),
        chart("In flight", at, [("", _each(moments, "in_flight"))], "requests", marks),
    ]
    if failed:
        drawn.append(chart("Errors by kind", at, failed, "calls/s", marks))
    if any(moment.retries for moment in moments):
        drawn.append(chart("Retries", at, [("", _each(moments, "retries"))], "requests/s", marks))
    if any(moment.waiting for moment in moments):
        drawn.append(chart("Waiting for the limiter", at, [("", _each(moments, "waiting"))], "requests", marks))
    return drawn


def _each(moments: Sequence[Moment], name: str) -> list[float]:
    return [float(getattr(moment, name)) for moment in moments]


def _tables(facts: Facts) -> list[str]:
    parts: list[str] = []
    if facts.routes:
        rows = [
            (name, f"{route.calls:,}", f"{route.failed:,}", *(f"{shares[each] * 1000:,.1f}" for each in (50, 95, 99)))
            for name, route, shares in facts.routes
        ]
        parts += _table("Slowest routes", ("route", "calls looked at", "failed", "p50 ms", "p95 ms", "p99 ms"), rows, 5)
    if facts.errors:
        kinds = [(kind, f"{count:,}", f"{facts.dead[kind]:,}") for kind, count in facts.errors.most_common()]
        parts += _table("Errors by kind", ("kind", "calls failed", "dead letters now"), kinds, 2)
    if facts.letters:
        shown = f"Dead letters ({len(facts.letters):,} of {facts.dead.total():,})"
        parts += _table(shown, ("kind", "call", "error"), map(texts, facts.letters))
    if facts.rejects:
        shown = f"Rows that did not fit ({len(facts.rejects):,} of {facts.rejected:,})"
        rows = [(each.key or "", str(each.index), f"{each.path}: {each.message}") for each in facts.rejects]
        parts += _table(shown, ("call", "row", "why"), rows)
    return parts + _table("Settings", ("setting", "value"), facts.settings.items())


def _table(title: str, names: Sequence[str], rows: Iterable[Any], numbers: int = 0) -> list[str]:
    """Write a table, whose last columns may be numbers."""
    kinds = [""] * (len(names) - numbers) + [' class="n"'] * numbers
    head = "".join(f"<th{kind}>{html.escape(name)}</th>" for kind, name in zip(kinds, names, strict=True))
    body = ""
    for row in rows:
        cells = (f"<td{kind}>{html.escape(str(each))}</td>" for kind, each in zip(kinds, row, strict=True))
        body += f"<tr>{''.join(cells)}</tr>"
    return [f"<h2>{html.escape(title)}</h2>", f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>']
