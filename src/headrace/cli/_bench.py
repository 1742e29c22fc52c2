"""The command `headrace bench`: the ways from JSON to a user's own models, side by side."""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click
from rich import box
from rich.console import Console
from rich.table import Table

from headrace.cli import _chart, _ways
from headrace.cli._structify import LOSSY, NO_PYDANTIC, VALIDATORS, write_whole
from headrace.errors import FrameworkException, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TURN_SECONDS: Final = 0.02  # a turn shorter than this is mostly the clock's own error
_CHILD_SECONDS: Final = 120.0
_FILE_WIDTH: Final = 120
_BASE: Final = "validate_json"


@attrs.define
class Figures:
    """What was measured of one way, with bodies of one size.

    Args:
        key: The way.
        title: Its name.
        items: Items in a body.
        seconds: The median time of a body; `None` where the way is not to be had.
        rounds: The time of a body in each turn, in seconds.
        memory: What `_ways.memory` says of an item.
        reason: Why there are no figures.
    """

    key: str
    title: str
    items: int
    seconds: float | None = None
    rounds: list[float] = attrs.Factory(list)
    memory: dict[str, float | None] = attrs.Factory(dict)
    reason: str = ""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def bench() -> None:
    """Measure with what is yours."""


def _counts(_: click.Context, __: click.Parameter, value: str) -> list[int]:
    """Read the numbers of items."""
    try:
        counts = [int(part) for part in value.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise click.BadParameter(f"got {value!r}, takes numbers from 1 on with commas between them, such as 1,100")
    return counts


@bench.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("target")
@click.option(
    "--sample",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A JSON file with one object as the API sends it, or a list of them.  [required]",
)
@click.option("--struct", help="A Struct of yours for the same objects, such as mypkg.structs:User.")
@click.option("--items", callback=_counts, default="1,100,10000", show_default=True, help="Objects in a body.")
@click.option("--rounds", type=click.IntRange(1, 1000), default=9, show_default=True, help="Turns of each way.")
@click.option(
    "--validators", type=click.Choice(VALIDATORS), default="error", show_default=True, help="As in structify."
)
@click.option("--lossy", type=click.Choice(LOSSY), multiple=True, help="As in structify.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Where the figures go.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Where the bar chart (SVG) goes.")
def models(
    *,
    target: str,
    sample: Path | None,
    struct: str | None,
    items: list[int],
    rounds: int,
    validators: str,
    lossy: tuple[str, ...],
    json_path: Path | None,
    plot: Path | None,
) -> None:
    """Compare the ways from JSON to objects, with a pydantic model and a sample of yours.

    TARGET is the model, such as mypkg.models:User. Time is the median of turns, in which every way has its go; memory
    is what the resident set of a process of its own has grown by, and allocations are what Python's allocator holds.
    """
    if sample is None:
        raise click.UsageError(
            "--sample is missing: a JSON file with one object as the API sends it, or a list of them"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    settings: dict[str, Any] = {} if validators == "error" else {"validators": validators}
    if lossy:
        settings["lossy"] = lossy
    model, ours = _model(target), _struct(struct) if struct else None
    bodies = _bodies(sample, items)
    task = {"model": target, "struct": struct, "sample": str(sample.resolve()), "settings": settings, "path": sys.path}
    figures: list[Figures] = []
    for count, body in bodies.items():
        measured = _timed(_ways.ways(model, ours, count, settings), body, count, rounds)
        for one in (each for each in measured if each.seconds is not None):
            one.memory = _memory({**task, "count": count, "way": one.key})
        figures += measured
    _check(sample, figures)
    slow = _ways.slow_fields(model, settings)
    if json_path is not None:
        write_whole(json_path, json.dumps(_as_json(target, rounds, figures, slow), indent=1) + "\n", "--json")
    if plot is not None:
        write_whole(plot, _chart.bars(f"From JSON to {target}", _panels(figures)), "--plot")
    _show(target, figures)
    _show_slow(slow, hands_over=_ways.hands_over(model))


def _model(target: str) -> Any:
    """Find the model.

    Raises:
        click.ClickException: There is none, or pydantic is missing.
    """
    try:
        import pydantic
    except ImportError as error:
        raise click.UsageError(NO_PYDANTIC) from error
    try:
        model = _ways.found(target)
    except ValidationError as error:
        raise click.BadParameter(str(error), param_hint="'TARGET'") from error
    if not (isinstance(model, type) and issubclass(model, pydantic.BaseModel)):
        raise click.BadParameter(f"{target} is no pydantic v2 model", param_hint="'TARGET'")
    return model


def _struct(target: str) -> Any:
    """Find the Struct to compare with."""
    try:
        return _ways.found(target)
    except ValidationError as error:
        raise click.BadParameter(str(error), param_hint="'--struct'") from error


def _bodies(sample: Path, items: Sequence[int]) -> dict[int, bytes]:
    """Read the sample, and make a body for each number of items."""
    try:
        document = sample.read_bytes()
        return {count: _ways.body(document, count) for count in items}
    except OSError as error:
        raise click.BadParameter(f"{sample}: {error.strerror}", param_hint="'--sample'") from error
    except ValidationError as error:
        raise click.BadParameter(f"{sample}: {error}", param_hint="'--sample'") from error


def _timed(ways: Sequence[_ways.Way], body: bytes, count: int, rounds: int) -> list[Figures]:
    """Time every way, in turns."""
    figures = [Figures(way.key, way.title, count, reason=way.reason) for way in ways]
    ready: list[tuple[Figures, Callable[[bytes], Any], int]] = []
    for way, one in zip(ways, figures, strict=True):
        if way.decode is None:
            continue
        try:
            spent = _spent(way.decode, body, 1) and _spent(way.decode, body, 1)
        except (FrameworkException, ValueError) as error:  # pydantic's own is a ValueError
            one.reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            continue
        ready.append((one, way.decode, max(1, round(_TURN_SECONDS / max(spent, 1e-9)))))
    for _ in range(rounds):
        for one, decode, number in ready:
            gc.collect()
            one.rounds.append(_spent(decode, body, number) / number)
    for one, _, _ in ready:
        one.seconds = statistics.median(one.rounds)
    return figures


def _spent(decode: Callable[[bytes], Any], body: bytes, number: int) -> float:
    """Decode so many times, and give the time in seconds."""
    began = time.perf_counter()
    for _ in range(number):
        decode(body)
    return time.perf_counter() - began


def _memory(task: dict[str, Any]) -> dict[str, float | None]:
    """Measure the memory of one way in a process of its own; nothing where that fails."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    done = subprocess.run(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "headrace.cli._ways", json.dumps(task)],
        capture_output=True,
        timeout=_CHILD_SECONDS,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise click.ClickException(f"the process that measures memory failed: {said[-1] if said else done.returncode}")
    measured: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _check(sample: Path, figures: Sequence[Figures]) -> None:
    """See that the model itself takes the sample: all is compared with it."""
    refused = [one.reason for one in figures if one.key == _BASE and one.seconds is None]
    if refused:
        raise click.BadParameter(f"{sample}: the model refuses it: {refused[0]}", param_hint="'--sample'")


def _base(figures: Sequence[Figures], items: int) -> Figures:
    return next(one for one in figures if one.key == _BASE and one.items == items)


def _as_json(target: str, rounds: int, figures: Sequence[Figures], slow: dict[str, str]) -> dict[str, Any]:
    return {"model": target, "rounds": rounds, "slow": slow, "figures": [attrs.asdict(one) for one in figures]}


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:,.2f} µs"


def _size(value: float | None) -> str:
    return "not told" if value is None else f"{value:,.0f} B"


def _panels(figures: Sequence[Figures]) -> dict[str, list[tuple[str, float, str]]]:
    """Give the bars: the time for each number of items, and the memory for the largest."""
    panels: dict[str, list[tuple[str, float, str]]] = {}
    for one in figures:
        if one.seconds is not None:
            name = f"time, {one.items:,} item{'s' * (one.items != 1)}"
            panels.setdefault(name, []).append((one.title, one.seconds, _duration(one.seconds)))
    most = max(one.items for one in figures)
    kept = [(one.title, size) for one in figures if one.items == most and (size := one.memory.get("bytes"))]
    if kept:
        panels[f"memory that an item takes, of {most:,}"] = [(title, size, _size(size)) for title, size in kept]
    return panels


def _show_slow(slow: dict[str, str], *, hands_over: bool) -> None:
    """Name the fields that msgspec alone does not read."""
    for path, said in slow.items():
        click.echo(f"slower than msgspec alone: {path} ({said})")
    if hands_over:
        click.echo("Fast[Model] leaves the whole document to pydantic: with such fields that is quicker")


def _show(target: str, figures: Sequence[Figures]) -> None:
    """Print the table."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    table = Table(title=f"from JSON to {target}", title_justify="left", box=box.SIMPLE_HEAD)
    for name in ("items", "way"):
        table.add_column(name, justify="right" if name == "items" else "left", no_wrap=True)
    for name in ("time a body", "of validate_json", "memory an item", "peak an item", "allocations an item"):
        table.add_column(name, justify="right")
    for one in figures:
        base = _base(figures, one.items)
        if one.seconds is None or base.seconds is None:
            table.add_row(f"{one.items:,}", one.title, "not to be had")
            continue
        cells = [_duration(one.seconds), f"{one.seconds / base.seconds:.2f} x", _size(one.memory["bytes"])]
        cells += [_size(one.memory["peak"]), f"{one.memory['blocks']:,.1f}"]
        table.add_row(f"{one.items:,}", one.title, *cells)
    console.print(table)
    for title, reason in {one.title: one.reason for one in figures if one.reason}.items():
        console.print(f"{title}: {reason}", soft_wrap=True)
