"""Rows that nobody keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Discard:
    """Throws rows away: for what is counted only, or done by the transform."""

    identity = "Discard"

    def open(self, batch: int, /) -> int:
        """Open nothing."""
        return batch

    def write(self, rows: Sequence[Any], /) -> None:
        """Forget rows."""

    def commit(self, batch: int, /) -> None:
        """Remember nothing."""

    def close(self) -> None:
        """Close nothing."""
