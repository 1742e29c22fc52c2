"""The plot lives here: throughput and CPU time a request against concurrency, from the JSON of a run into an SVG."""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

_STYLES = {
    "headrace": {"color": "#0b6e99", "linewidth": 2.6, "zorder": 5},
    "floor": {"color": "#888888", "linestyle": "--"},
    "aiohttp": {"color": "#d9730d"},
    "ry": {"color": "#6b7a1f"},
    "pyreqwest": {"color": "#a33b20"},
    "arya": {"color": "#6940a5"},
    "httpx": {"color": "#0f7b6c"},
}


def draw(run: dict[str, Any], target: Path) -> None:
    """Draw the two panels.

    Args:
        run: The JSON of a run that has the row `sweep`.
        target: The SVG that is written.
    """
    # Text stays text, and the same figures give the same file.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "headrace", "font.family": "sans-serif"})
    figure, (rates, costs) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
    lines: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
    titles: dict[str, str] = {}
    row = next(row for row in run["rows"] if row["key"] == "sweep")
    for entry in row["entries"].values():
        rounds = [sample for sample in entry["rounds"] if sample]
        if rounds:
            rate = statistics.median(sample["requests"] / sample["wall"] for sample in rounds)
            cost = statistics.median(sample["cpu"] / sample["requests"] for sample in rounds) * 1e6
            lines[entry["client"]].append((entry["concurrency"], rate, cost))
            titles[entry["client"]] = entry["title"]
    for client, points in lines.items():
        concurrency, rate, cost = zip(*sorted(points), strict=True)
        style = {"marker": "o", "markersize": 4, "label": titles[client], **_STYLES.get(client, {})}
        rates.plot(concurrency, rate, **style)
        costs.plot(concurrency, cost, **style)
    ticks = sorted({point[0] for points in lines.values() for point in points})
    for axes, title in ((rates, "requests a second"), (costs, "CPU µs a request")):
        axes.set(xscale="log", yscale="log", title=title, xlabel="requests in flight")
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(_thousands))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*rates.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(target, metadata={"Date": None})


def _thousands(value: float, _: int) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
