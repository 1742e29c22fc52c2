"""A small coverage-guided fuzzer lives here: inputs that reach new lines are kept and changed further."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz import target
from tests.kit.cases import cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

CORPUS = Path(__file__).parent / "corpus"
_MOST = 4096  # bytes of an input
_TRACED = 4  # every so many inputs one is traced, which makes it slow
_WATCHED = ("http1.py", "http1_stream.py", "http1_judge.py", "chunked.py", "coding.py", "decoding.py")

TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"0\r\n\r\n", b"5\r\nhello\r\n",
    b"HTTP/1.1 ", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: deflate\r\n", b"Content-Encoding: br\r\n", b"Content-Encoding: zstd\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: x\r\n", b"Set-Cookie: a=b\r\n",
    b"ffffffffffffffff", b"-1", b"+5", b"0x5", b"chunked", b"identity",
]  # fmt: skip


def seeds() -> list[bytes]:
    """Read what to begin with: the kept corpus, and every short case."""
    kept = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    short = [(case, wire) for case in cases() if 0 < len(wire := case.wire()[0]) <= _MOST]
    return kept + [bytes([3 * (case.method == "HEAD"), case.wire()[1], 0, 0]) + wire for case, wire in short]


def changed(data: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Change an input a little."""
    found = bytearray(data)
    for _ in range(1 << chance.randrange(4)):
        place = chance.randrange(len(found) + 1)
        kind = chance.randrange(7)
        if kind == 0 and found:
            found[place % len(found)] = chance.randrange(256)
        elif kind == 1 and found:
            found[place % len(found)] ^= 1 << chance.randrange(8)
        elif kind == 2:
            found[place:place] = chance.choice(TOKENS)
        elif kind == 3:
            del found[place : place + chance.randrange(1, 9)]
        elif kind == 4:
            end = place + chance.randrange(1, 40)
            found[place:place] = found[place:end] * chance.randrange(1, 8)
        elif kind == 5:
            token = chance.choice(TOKENS)
            found[place : place + len(token)] = token
        else:
            other = chance.choice(others)
            found[place:] = other[chance.randrange(len(other)) :]
    return bytes(found[:_MOST])


def lines_of(run: Callable[[], None]) -> set[tuple[CodeType, int, int]]:
    """Run something and return the steps from line to line that it took in what is watched."""
    reached: set[tuple[CodeType, int, int]] = set()
    last: dict[FrameType, int] = {}

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            reached.add((frame.f_code, last.get(frame, 0), frame.f_lineno))
            last[frame] = frame.f_lineno
        return local

    def outer(frame: FrameType, _: str, __: Any) -> Any:
        return local if frame.f_code.co_filename.endswith(_WATCHED) else None

    before = sys.gettrace()
    sys.settrace(outer)
    try:
        run()
    finally:
        sys.settrace(before)
    return reached


class Findings:
    """What a run came to.

    Attributes:
        inputs: How many were tried.
        kept: Those that reached something new.
        failures: Inputs and what they led to.
    """

    def __init__(self) -> None:
        self.inputs = 0
        self.kept: list[bytes] = []
        self.failures: list[tuple[bytes, BaseException]] = []


def fuzz(seconds: float, seed: int, *, most: int | None = None) -> Findings:
    """Try inputs for so long.

    Args:
        seconds: How long.
        seed: What chance begins with.
        most: How many inputs at most; `None` is no bound.
    """
    chance = random.Random(seed)  # noqa: S311 - it has to be repeatable
    found = Findings()
    pool = seeds()
    reached: set[tuple[CodeType, int, int]] = set()
    for data in pool:
        reached |= lines_of(lambda data=data: _try(data, found))  # type: ignore[misc] # ruff wants the default, mypy cannot infer it
    end = time.monotonic() + seconds
    while time.monotonic() < end and (most is None or found.inputs < most):
        data = changed(chance.choice(pool), pool, chance)
        if found.inputs % _TRACED:
            _try(data, found)
            continue
        steps = lines_of(lambda data=data: _try(data, found))  # type: ignore[misc] # ruff wants the default, mypy cannot infer it
        if not steps <= reached:
            reached |= steps
            pool.append(data)
            found.kept.append(data)
    return found


def _try(data: bytes, found: Findings) -> None:
    found.inputs += 1
    try:
        target.check(data)
    except Exception as error:  # noqa: BLE001 - whatever it was is what is looked for
        found.failures.append((data, error))
