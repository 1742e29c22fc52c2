"""What a row of the table is made of lives here: its entries, and the figures that follow from what they measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.clients import Entry

#: What one round measured, by the names of its entries; a failed entry is missing.
Round: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Figure:
    """One number that is held to a target."""

    text: str
    compute: Callable[[Round], float]
    """Computes it from one round; raises `KeyError` where an entry failed."""
    limit: float
    unit: str = "x"


@dataclass(frozen=True)
class Row:
    """Entries that are measured in turns, and the figures that follow from them."""

    key: str
    title: str
    entries: tuple[Entry, ...]
    figures: tuple[Figure, ...] = ()
    more_rounds: int = 1
    """So many times as many rounds as the others: for what is short and noisy."""


def cpu(sample: dict[str, Any]) -> float:
    """Return the CPU microseconds of one request."""
    return float(sample["cpu"] / sample["requests"] * 1e6)


def growth(sample: dict[str, Any], concurrency: int) -> float:
    """Return the KB by which the process grew for each request in flight."""
    return float((sample["rss_peak"] - sample["rss_before"]) / concurrency / 1024)


def against(one: Entry, other: Entry, text: str, limit: float) -> Figure:
    """Hold the CPU time of a request of one entry to so many times that of another."""
    return Figure(text, lambda measured: cpu(measured[one.name]) / cpu(measured[other.name]), limit)
