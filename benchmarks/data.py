"""What the server answers with lives here: users in the shape of JSONPlaceholder's, and the body of the POST."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

#: How many users each list holds.
SIZES = (1, 100, 10_000)
#: How many items a streamed answer has: few for the first one, and many.
ITEMS = (1_000, 100_000)
#: The answer to a POST.
CREATED = {"id": 101, "accepted": True}


def user(number: int) -> dict[str, Any]:
    """Return a user; the first has 431 bytes as JSON.

    Args:
        number: 1 to 10,000.
    """
    name = f"User{number:05}"
    return {
        "id": number,
        "name": f"{name} Leanne Graham",
        "username": name,
        "email": f"{name}@april.example",
        "address": {
            "street": f"{number:05} Kulas Light",
            "suite": "Apt. 55",
            "city": "Gwenborough",
            "zipcode": "92998-3874",
            "geo": {"lat": "-37.3159", "lng": "81.1496"},
        },
        "phone": "1-770-736-8031 x56442",
        "website": "hildegard.example",
        "company": {
            "name": "Romaguera-Crona",
            "catchPhrase": "Multi-layered client-server neural-net",
            "bs": "harness real-time e-markets",
        },
    }


def users(count: int) -> Any:
    """Return one user, or a list of more.

    Args:
        count: One of `SIZES`.
    """
    return user(1) if count == 1 else [user(number) for number in range(1, count + 1)]


def as_json(value: Any) -> bytes:
    """Write compact JSON, as APIs do."""
    return json.dumps(value, separators=(",", ":")).encode()


def order() -> dict[str, Any]:
    """Return the body of the POST; 1 KB as JSON."""
    return {
        "number": 7,
        "customer": "User00001 Leanne Graham",
        "note": "Leave it with the miller if nobody answers, and close the sluice behind you. " * 2,
        "address": "00001 Kulas Light, Apt. 55, Gwenborough",
        "paid": True,
        "lines": [
            {
                "sku": f"WHEEL-{number:04}",
                "title": f"Water wheel, overshot, size {number}",
                "count": number,
                "price": 9.5,
            }
            for number in range(1, 10)
        ],
    }


def write(folder: Path) -> None:
    """Write every file that the server serves, compressed ones included: compressing must cost the server nothing.

    Args:
        folder: An existing folder.
    """
    zstd = _zstd()
    for count in SIZES:
        body = as_json(users(count))
        (folder / f"users-{count}.json").write_bytes(body)
        (folder / f"users-{count}.json.gz").write_bytes(gzip.compress(body, 6, mtime=0))
        if zstd is not None:
            (folder / f"users-{count}.json.zst").write_bytes(zstd.compress(body, 3))


def write_items(folder: Path) -> None:
    """Write many items, as lines, as an array within a document, and as events.

    Args:
        folder: An existing folder.
    """
    rows = [as_json(user(number)) for number in range(1, ITEMS[0] + 1)]
    token = {"accepted": True, "model": "mill-1", "choices": [{"index": 0, "delta": {"content": "sluice "}}]}
    for count in ITEMS:
        many = rows * (count // ITEMS[0])
        (folder / f"{count}.ndjson").write_bytes(b"\n".join(many) + b"\n")
        (folder / f"{count}.json").write_bytes(b'{"data":{"items":[' + b",".join(many) + b"]}}")
        # Tokens of a text, as a language model sends them.
        events = (b"data: %b\n\n" % as_json({"id": number, **token}) for number in range(count))
        (folder / f"{count}.events").write_bytes(b"".join(events))


def _zstd() -> Any:
    """Find zstd in the standard library or its backport; without either, there is no zstd to measure."""
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd
