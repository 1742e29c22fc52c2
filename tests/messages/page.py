"""Writes `docs/troubleshooting.md` out of the table: what was written, what was told."""

from pathlib import Path
from typing import Final

from tests.kit import ROOT
from tests.messages.rows import SECTIONS, Row
from tests.messages.running import raised

PAGE: Final[Path] = ROOT / "docs" / "troubleshooting.md"


def _cell(text: str) -> str:
    """Write a text as code in a cell of a table: a bar would end the cell, a backquote the code."""
    fence = "``" if "`" in text else "`"
    padded = f" {text} " if fence == "``" else text
    return f"{fence}{padded}{fence}".replace("|", "\\|")


async def _row(row: Row) -> str:
    error = await raised(row.code)
    code = "; ".join(line.strip() for line in row.code.splitlines())
    return f"| {_cell(code)} | {_cell(f'{type(error).__name__}: {error}')} |"


async def page() -> str:
    """Write the page."""
    parts = [(Path(__file__).parent / "head.md").read_text(encoding="utf-8").rstrip()]
    for title, rows in SECTIONS.items():
        lines = [await _row(row) for row in rows]
        parts.append("\n".join([f"## {title}\n", "| you write | you get |", "|---|---|", *lines]))
    return "\n\n".join(parts) + "\n"
