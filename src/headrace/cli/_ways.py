"""The ways from JSON to objects that `headrace bench models` compares, and what a decoded result costs.

A process of its own, started with ``python -m headrace.cli._ways``, decodes one way and says how much memory the result
takes: what another way left behind does not count, and neither does what only C and Rust allocate escape.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from headrace._core.values import decode
from headrace.errors import FrameworkException, StructifyError, ValidationError

#: Objects that are kept at once when memory is measured: fewer are less than a page.
_KEPT: Final = 10_000
_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


@attrs.frozen
class Way:
    """One way from JSON to objects.

    Args:
        key: Its name in the JSON.
        title: Its name in tables.
        decode: What decodes a body; `None` where it is not to be had.
        reason: Why it is not.
    """

    key: str
    title: str
    decode: Callable[[bytes], Any] | None = None
    reason: str = ""


def found(target: str) -> Any:
    """Find what ``module:name`` names.

    Raises:
        ValidationError: There is no such thing.
    """
    module, colon, name = target.partition(":")
    if not colon or not name:
        raise ValidationError(f"got {target!r}, takes a module, a colon and a class, such as mypkg.models:User")
    try:
        value: Any = importlib.import_module(module)
        for step in name.split("."):
            value = getattr(value, step)
    except (Exception, SystemExit) as error:
        raise ValidationError(f"{target!r} cannot be imported: {type(error).__name__}: {error}") from error
    return value


def ways(model: Any, struct: Any, count: int, settings: dict[str, Any]) -> list[Way]:
    """Make every way of decoding a body with so many items.

    Args:
        model: The pydantic model.
        struct: A Struct of the user's for the same documents, or `None`.
        count: Items in a body; a single one is no list.
        settings: The arguments of `structify` that are not its defaults.
    """
    import pydantic

    from headrace.compat import pydantic as compat

    many: Any = list  # made at run time
    adapter: Any = pydantic.TypeAdapter(model if count == 1 else many[model])
    made = [Way("struct", "Struct", _decoder(struct, count))] if struct is not None else []
    try:
        made.append(Way("structified", "structified", _decoder(compat.structify(model, **settings), count)))
    except StructifyError as error:
        made.append(Way("structified", "structified", reason=str(error)))
    fast = getattr(compat, "Fast", None)
    if fast is not None:
        try:
            made.append(Way("fast", "Fast[Model]", _decoder(fast[model], count)))
        except (FrameworkException, TypeError) as error:
            made.append(Way("fast", "Fast[Model]", reason=str(error)))

    def two_steps(body: bytes) -> Any:
        return adapter.validate_python(json.loads(body))

    return [
        *made,
        Way("validate_json", "pydantic validate_json", adapter.validate_json),
        Way("loads", "pydantic loads + model_validate", two_steps),
        Way("orjson", "plain orjson", orjson.loads),
    ]


def slow_fields(model: Any, settings: dict[str, Any]) -> dict[str, str]:
    """Name the fields of what is derived of a model that msgspec alone does not read, and what they cost."""
    from headrace.compat.report import StructifyReport

    (verdict,) = StructifyReport([model], **settings).verdicts
    return verdict.slow


def hands_over(model: Any) -> bool:
    """Tell whether `Fast[Model]` leaves the whole of a document to pydantic."""
    from headrace.compat._structify import fast

    try:
        kind: Any = fast.Fast
        return fast.hands_over(kind[model])
    except FrameworkException:
        return False


def _decoder(item: Any, count: int) -> Callable[[bytes], Any]:
    """Make what the client itself decodes with."""
    decoder: Any = decode.decoder_for(item if count == 1 else list[item])

    def one(body: bytes) -> Any:
        return decode.decode(body, decoder)

    return one


def body(sample: bytes, count: int) -> bytes:
    """Make a body with so many items of the sample: one alone, more as a list that begins anew at its end.

    Raises:
        ValidationError: The sample is not JSON, or is no object and no list of them.
    """
    try:
        read = orjson.loads(sample)
    except orjson.JSONDecodeError as error:
        raise ValidationError(f"it is not JSON: {error}") from error
    rows = read if isinstance(read, list) else [read]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise ValidationError("it takes an object as the API sends it, or a list of them")
    return orjson.dumps(rows[0] if count == 1 else [rows[number % len(rows)] for number in range(count)])


def memory(way: Callable[[bytes], Any], document: bytes, count: int) -> dict[str, float | None]:
    """Measure what the results of one way take, in this process.

    Args:
        way: What decodes.
        document: A body.
        count: Items in it.

    Returns:
        `bytes` that an item takes and `peak`, the most that one took while it was decoded, both from the resident set,
        `None` where the system does not tell it; and `blocks`, the allocations of Python's own allocator that an item
        holds.
    """
    repeats = max(1, _KEPT // count)
    items = repeats * count
    way(document)  # what is made once is made now
    results: list[Any] = [None] * repeats
    _settle()
    before = _resident("VmRSS")
    blocks = sys.getallocatedblocks()
    for number in range(repeats):
        results[number] = way(document)
    held = sys.getallocatedblocks() - blocks
    peak = _resident("VmHWM")
    _settle(peak=False)
    after = _resident("VmRSS")
    return {"bytes": _grown(before, after, items), "peak": _grown(before, peak, items), "blocks": held / items}


def _grown(before: int | None, after: int | None, items: int) -> float | None:
    return None if before is None or after is None else max(0, after - before) / items


def _settle(*, peak: bool = True) -> None:
    """Give back what is free, and let the peak begin anew."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc's; elsewhere there is none
    if peak and _CLEAR.exists():
        _CLEAR.write_text("5")


def _resident(name: str) -> int | None:
    """Read a size of this process, in bytes; `None` where the system has no such file."""
    if not _STATUS.exists():
        return None
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return None


def main() -> None:
    """Measure the memory of one way, as the arguments say, and print it as JSON."""
    task = json.loads(sys.argv[1])
    sys.path[:0] = task["path"]
    document = body(Path(task["sample"]).read_bytes(), task["count"])
    struct = found(task["struct"]) if task["struct"] else None
    made = ways(found(task["model"]), struct, task["count"], task["settings"])
    way = next(way for way in made if way.key == task["way"])
    assert way.decode is not None  # noqa: S101 - the parent asks only for those that are to be had
    print(json.dumps(memory(way.decode, document, task["count"])))


if __name__ == "__main__":
    main()
