"""The bar chart of `headrace bench models`: an SVG without a library to draw it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LABEL: Final = 230  # px for the names on the left
_BAR: Final = 330  # px of the longest bar
_PANEL: Final = _LABEL + _BAR + 110
_ROW: Final = 22
_HEAD: Final = 54
_COLORS: Final = ("#0b6e99", "#0f7b6c", "#6940a5", "#d9730d", "#a33b20", "#888888")


def bars(title: str, panels: Mapping[str, Sequence[tuple[str, float, str]]]) -> str:
    """Draw horizontal bars, one panel below the other; in each, the longest bar is the largest value.

    Args:
        title: Stands above all.
        panels: The title of each panel, and its bars: the name, the value, and the value as it is shown.

    Returns:
        The SVG.
    """
    height = 34 + sum(_HEAD - 16 + _ROW * len(rows) for rows in panels.values()) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_PANEL} {height}" width="{_PANEL}" height="{height}">',
        "<style>text { font: 12px sans-serif } .head { font-weight: bold }</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{_PANEL}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="24" class="head">{escape(title)}</text>',
    ]
    colors: dict[str, str] = {}
    top = 34
    for name, rows in panels.items():
        parts.append(f'<text x="12" y="{top + 24}" class="head">{escape(name)}</text>')
        top += _HEAD - 16
        longest = max((value for _, value, _ in rows), default=0.0) or 1.0
        for label, value, shown in rows:
            color = colors.setdefault(label, _COLORS[len(colors) % len(_COLORS)])
            width = max(1.0, value / longest * _BAR)
            parts += [
                f'<text x="{_LABEL - 8}" y="{top + 11}" text-anchor="end">{escape(label)}</text>',
                f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="15" fill="{color}"/>',
                f'<text x="{_LABEL + width + 6:.1f}" y="{top + 11}">{escape(shown)}</text>',
            ]
            top += _ROW
    return "\n".join([*parts, "</svg>"]) + "\n"
