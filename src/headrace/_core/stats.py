"""What a client has counted since it was made."""

from __future__ import annotations

from collections import Counter


class Stats:
    """Counts since the client was made.

    Attributes:
        requests: Requests that a caller made, those that were refused for a wrong argument included.
        attempts: Requests that were handed to the transport: redirects and retries included.
        retries: Attempts after the first that a `Retry` asked for.
        retries_refused: Retries that the budget or an open circuit did not allow.
        errors: How many requests ended in an exception, by the name of its class.
        bytes_in: Bytes received (the aiohttp transport counts bodies only).
        bytes_out: Bytes sent (the aiohttp transport counts bodies only).
        connections_opened: Connections made.
        connections_reused: Exchanges on a connection that had served one before.
        limiter_waits: Requests that had to wait for the limiter.
        limiter_seconds: Seconds that they waited in all.
    """

    __slots__ = (
        "attempts", "bytes_in", "bytes_out", "connections_opened", "connections_reused", "errors", "limiter_seconds",
        "limiter_waits", "requests", "retries", "retries_refused",
    )  # fmt: skip

    def __init__(self) -> None:
        self.requests = 0
        self.attempts = 0
        self.retries = 0
        self.retries_refused = 0
        self.errors: Counter[str] = Counter()
        self.bytes_in = 0
        self.bytes_out = 0
        self.connections_opened = 0
        self.connections_reused = 0
        self.limiter_waits = 0
        self.limiter_seconds = 0.0

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"Stats({shown})"
