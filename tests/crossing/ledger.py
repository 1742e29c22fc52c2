"""What became of each request, as the server saw it, in a few bytes for each."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """The server's book: one row a request, named by its number."""

    count: int
    seed: int
    seen: bytearray = field(init=False)
    """How often the head of a request came."""
    answered: bytearray = field(init=False)
    """1 where an answer was written whole, and nothing was done since that could keep it from arriving."""
    excused: bytearray = field(init=False)
    """1 where the request met a connection that the server had spoiled before."""
    mixed: list[str] = field(default_factory=list)
    """What was wrong with requests: bytes of one in another, heads that nobody sent."""
    order: list[int] = field(default_factory=list)
    """The first requests that came, in their order."""
    restarts: int = 0
    """Grows by one whenever every connection is cut, and by one when there is a server again."""

    lines: Any = None
    """The connections: a `tests.crossing.writes.Lines`."""
    written: dict[int, Any] = field(default_factory=dict)
    """The connection that a request was written on last, while it is under way."""
    overlooked: list[str] = field(default_factory=list)
    """Requests that were written where something lay in the socket."""
    refused: int = 0
    """How often a connection was not written on, because something lay in its socket."""
    said: Counter[str] = field(default_factory=Counter)
    """What the server said unasked."""

    def __post_init__(self) -> None:
        self.seen = bytearray(self.count)
        self.answered = bytearray(self.count)
        self.excused = bytearray(self.count)

    def token(self, number: int) -> str:
        """Name a request so that no other name looks like it.

        Args:
            number: From 0.
        """
        tag = hashlib.blake2b(b"%d.%d" % (number, self.seed), digest_size=6).hexdigest()
        return f"{number:x}-{tag}"

    def number(self, token: str) -> int:
        """Read a request's number.

        Args:
            token: What came over the wire; one that was never given out is an error.

        Raises:
            ValueError: Nobody was ever given that token.
        """
        number = int(token.partition("-")[0], 16)
        if not 0 <= number < self.count or token != self.token(number):
            message = f"unknown token {token!r}"
            raise ValueError(message)
        return number


def payload(token: str, size: int) -> bytes:
    """Make the bytes that belong to a token, of which every few dozen name it: a JSON text, where there are two.

    Args:
        token: The token.
        size: Bytes.
    """
    unit = f"[{token}]".encode()
    text = (unit * (size // len(unit) + 1))[: max(0, size - 2)]
    return (b'"%b"' % text)[:size]
