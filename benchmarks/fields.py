"""What a field costs a derived Struct and a `Fast` model, beside pydantic's own time: ``python -m benchmarks.fields``.

Each model has an `int`, a `str` and the field. The four ways have their turns one after the other, so that what else
the machine does meets all of them alike; a ratio is that of their medians.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import statistics
import time
import uuid
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from unittest import mock

import pydantic
from pydantic import Field

from headrace._core.values import decode
from headrace.compat._structify import costs, fast
from headrace.compat.pydantic import Fast, structify

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS: Final = 21
_BODIES: Final = 10
_ITEMS: Final = 100
#: A type, and a value as the API sends it.
FIELDS: Final[dict[str, tuple[Any, Any]]] = {
    "str": (str, "ab"),
    "Decimal of a text": (Decimal, "12.50"),
    "Decimal of a number": (Decimal, 12.5),
    "Decimal with constraints": (Annotated[Decimal, Field(max_digits=8, decimal_places=2, ge=0)], "12.50"),
    "HttpUrl": (pydantic.HttpUrl, "https://a.example/x?y=1"),
    "timedelta": (dt.timedelta, "PT1H"),
    "SecretStr": (pydantic.SecretStr, "abc"),
    r"pattern with \d": (Annotated[str, Field(pattern=r"^\d{3}$")], "123"),
    r"pattern with \w": (Annotated[str, Field(pattern=r"^\w{3}$")], "123"),
    "AwareDatetime": (pydantic.AwareDatetime, "2024-05-01T12:00:00Z"),
    "UUID4": (pydantic.UUID4, str(uuid.UUID("12345678-1234-4678-9234-567812345678"))),
    "Path": (Path, "/a/b"),
    "bytes": (bytes, "abc"),
    "PastDate": (pydantic.PastDate, "2020-01-01"),
    "ByteSize": (pydantic.ByteSize, 1024),
}


def ways(kind: Any, value: Any) -> tuple[dict[str, Callable[[bytes], Any]], bytes, str]:
    """Make the ways from JSON to a list of models with a field, a body, and what the field costs."""
    model: Any = pydantic.create_model("Model", id=(int, ...), name=(str, ...), field=(kind, ...))
    many: Any = list  # made at run time
    struct: Any = structify(model)
    found = {
        "pydantic": pydantic.TypeAdapter(many[model]).validator.validate_json,
        "struct": _decoder(many[struct]),
        "fast": _decoder(many[Fast[model]]),
    }
    with mock.patch.object(fast, "hands_over", return_value=False):
        found["twin"] = fast.decoder(many[Fast[model]])
    body = json.dumps([{"id": 1, "name": "ab", "field": value}] * _ITEMS).encode()
    return found, body, costs.of(struct.model_fields["field"].type)


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    found: Any = decode.decoder_for(kind)
    return lambda body: decode.decode(body, found)


def medians(found: dict[str, Callable[[bytes], Any]], body: bytes) -> dict[str, float]:
    """Time each way in turns, in seconds."""
    turns: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(_ROUNDS):
        for name, way in found.items():
            gc.collect()
            way(body)  # what the last one has left in the caches is not this one's
            began = time.perf_counter()
            for _ in range(_BODIES):
                way(body)
            turns[name].append((time.perf_counter() - began) / _BODIES)
    return {name: statistics.median(seconds) for name, seconds in turns.items()}


def main() -> None:
    """Print the table."""
    print(f"{'field':26}{'cost':11}{'pydantic':>10}{'Struct':>9}{'Fast':>9}{'Fast by msgspec':>17}")
    for name, (kind, value) in FIELDS.items():
        found, body, cost = ways(kind, value)
        took = medians(found, body)
        base = took["pydantic"]
        ratios = f"{took['struct'] / base:7.2f} x{took['fast'] / base:7.2f} x{took['twin'] / base:15.2f} x"
        print(f"{name:26}{cost:11}{base / _ITEMS * 1e6:7.2f} µs{ratios}")


if __name__ == "__main__":
    main()
