"""Lines over time as inline SVG: no script, no network, and colours that the page's light or dark decides."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: One to one on the width of a phone, so that the text is never smaller than it is written.
_WIDTH: Final = 360
_HEIGHT: Final = 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 8, 20
#: Points of a line; more are joined.
_MOST: Final = 240
#: Lines of a chart that have a colour of their own.
COLOURS: Final = 5


def chart(
    title: str,
    at: Sequence[float],
    lines: Sequence[tuple[str, Sequence[float]]],
    unit: str,
    marks: Sequence[float] = (),
) -> str:
    """Draw lines.

    Args:
        title: What they show.
        at: The seconds of their points.
        lines: The name and the values of each; one that is alone needs no name.
        unit: Of the values.
        marks: Seconds at which something began anew.
    """
    at, lines = _joined(at, lines)
    top = ceiling(max((value for _, values in lines for value in values), default=0.0))
    end = at[-1] if at else 1.0
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x(seconds: float) -> str:
        return f"{_LEFT + width * seconds / (end or 1):.1f}"

    def y(value: float) -> str:
        return f"{_TOP + height * (1 - value / top):.1f}"

    parts = []
    for value in (0.0, top / 2, top):
        parts.append(f'<path class="grid" d="M{_LEFT} {y(value)}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 4}" y="{float(y(value)) + 3:.1f}" text-anchor="end">{short(value)}</text>')
    for place, anchor in ((0.0, "start"), (end / 2, "middle"), (end, "end")):
        parts.append(f'<text x="{x(place)}" y="{_HEIGHT - 5}" text-anchor="{anchor}">{_seconds(place)}</text>')
    parts += [f'<path class="mark" d="M{x(mark)} {_TOP}V{_HEIGHT - _BOTTOM}"/>' for mark in marks if mark]
    for number, (_, values) in enumerate(lines):
        points = " ".join(f"{x(moment)},{y(value)}" for moment, value in zip(at, values, strict=True))
        parts.append(f'<polyline class="c{number % COLOURS}" points="{points}"/>')
    legend = "".join(
        f'<span class="key"><i class="k{number % COLOURS}"></i>{html.escape(name)}</span>'
        for number, (name, _) in enumerate(lines)
    )
    told = "; ".join(f"{name} at most {short(max(values, default=0))} {unit}".strip() for name, values in lines)
    label = html.escape(f"{title} over {_seconds(end)}: {told}", quote=True)
    return (
        f'<figure><figcaption><b>{html.escape(title)}</b> <span class="unit">{html.escape(unit)}</span>'
        f"{legend if len(lines) > 1 or lines[0][0] else ''}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg></figure>'
    )


def _joined(
    at: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]]
) -> tuple[Sequence[float], Sequence[tuple[str, Sequence[float]]]]:
    """Join neighbours where there are more points than a screen has; of several the greatest is kept."""
    each = -(-len(at) // _MOST)
    if each <= 1:
        return at, lines
    places = range(0, len(at), each)
    return (
        [at[min(place + each, len(at)) - 1] for place in places],
        [(name, [max(values[place : place + each]) for place in places]) for name, values in lines],
    )


def ceiling(value: float) -> float:
    """Find a round number that is no less: 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= value * (1 - 1e-9))


def short(value: float) -> str:
    """Write a number in few characters."""
    for limit, sign in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / (limit if sign != 'k' else 1e3):.3g}{sign}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _seconds(value: float) -> str:
    if value < 120:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 7200 else f"{value / 3600:.3g} h"
