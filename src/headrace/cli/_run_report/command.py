"""The command `headrace report` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headrace.cli._app import SETTINGS
from headrace.cli._run_report import reading
from headrace.errors import JournalError

if TYPE_CHECKING:
    from headrace.cli._run_report.reading import Facts

_BARS: Final = "▁▂▃▄▅▆▇█"
_WIDE: Final = 60
_SHOWN: Final = 5


@click.command(context_settings=SETTINGS)
@click.argument("journal", type=click.Path(path_type=Path))
@click.option("--html", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a page.")
def report(*, journal: Path, path: Path | None) -> None:
    """Tell how the runs of a journal went.

    JOURNAL is the journal of a bulk or of `headrace fetch`; it lies beside the output. It may be read while a run
    writes it. The page of --html needs no network: throughput, latencies, errors, retries, waits and requests in flight
    over time, the slowest routes, dead letters with their reasons, and the settings, masked.
    """
    try:
        facts = reading.read(journal)
    except JournalError as error:
        raise click.UsageError(str(error)) from error
    if path is None:
        click.echo(text(facts))
        return
    from headrace.cli._run_report.page import page

    try:
        path.write_text(page(facts), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"--html: {path}: {error.strerror}") from error
    click.echo(f"{path}", err=True)


def text(facts: Facts) -> str:
    """Write it for a terminal."""
    lines = [facts.name, *(f"  run began {begun:%Y-%m-%d %H:%M:%S} UTC" for begun, _ in facts.runs), ""]
    shares = [(f"p{share}", f"{seconds * 1000:,.1f} ms") for share, seconds in facts.percentiles.items()]
    lines += _aligned([*facts.figures, *shares])
    if facts.moments:
        lines += ["", f"calls/s    {sparks([moment.rate for moment in facts.moments])}"]
        lines += [f"p95        {sparks([moment.latencies.get(95, 0.0) for moment in facts.moments])}"]
        lines += [f"in flight  {sparks([float(moment.in_flight) for moment in facts.moments])}"]
    if facts.routes:
        lines += ["", "slowest routes (p95)"]
        lines += _aligned([(f"  {name}", f"{found[95] * 1000:,.1f} ms") for name, _, found in facts.routes[:_SHOWN]])
    if facts.dead:
        lines += [
            "",
            "dead letters",
            *_aligned([(f"  {kind}", f"{count:,}") for kind, count in facts.dead.most_common()]),
        ]
        lines += [f"  {asked}: {error}"[:200] for _, asked, error in map(reading.texts, facts.letters[:_SHOWN])]
    if facts.rejects:
        lines += ["", "rows that did not fit"]
        lines += [f"  row {each.index}, {each.path}: {each.message}"[:200] for each in facts.rejects[:_SHOWN]]
    return "\n".join(lines)


def _aligned(pairs: list[tuple[str, str]]) -> list[str]:
    width, wide = (max((len(pair[side]) for pair in pairs), default=0) for side in (0, 1))
    return [f"{name:<{width}}  {value:>{wide}}" for name, value in pairs]


def sparks(values: list[float]) -> str:
    """Draw values in one line of characters, with their greatest behind it."""
    each = -(-len(values) // _WIDE)
    joined = [max(values[at : at + each]) for at in range(0, len(values), each)]
    top = max(joined, default=0.0)
    drawn = "".join(_BARS[round(value / top * (len(_BARS) - 1))] if top else _BARS[0] for value in joined)
    return f"{drawn} at most {top:,.4g}"
