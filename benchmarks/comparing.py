"""A run is held against the published one here: what is worse by more than the noise is named."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Worse by less than this is never named, however quiet the machine was.
_LEAST = 0.03


def worse(run: dict[str, Any], published: dict[str, Any]) -> str:
    """Name the figures that are worse than the published ones by more than the noise of both runs.

    Args:
        run: What `benchmarks.__main__` puts into the JSON.
        published: The same of the published run.
    """
    before = {key: figure for row in published["rows"] for key, figure in _figures(row)}
    lines = []
    for row in run["rows"]:
        for key, figure in _figures(row):
            old = before.get(key)
            if old is None or old["value"] is None or figure["value"] is None:
                continue
            more = figure["value"] - old["value"]
            if more > max(_noise(figure), _noise(old), _LEAST * abs(old["value"])):
                unit = figure["unit"]
                lines.append(f"- {row['title']}: {figure['value']:.3g} {unit} {figure['text']}; was {old['value']:.3g}")
    head = "Worse than the published run by more than the noise (the spread of the middle half of the rounds)"
    return "\n".join([f"{head}:", *(lines or ["- nothing"])])


def _figures(row: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    return (((row["key"], figure["text"]), figure) for figure in row["figures"])


def _noise(figure: dict[str, Any]) -> float:
    values = figure["rounds"]
    if len(values) < 2:
        return 0.0
    low, _, high = statistics.quantiles(values, n=4)
    return high - low
