"""What a client is asked to do lives here: the one value that goes from the driver to a peer's process."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Work:
    """One measurement of one peer."""

    peer: str
    """The module below `benchmarks.peers`."""
    origin: str
    """Scheme, host and port of the server."""
    path: str
    answer: str
    """What the answer is decoded into: `user`, `users` or `created`."""
    expected: str
    """The file with the JSON that the decoded answer must equal."""
    concurrency: int = 64
    """Requests in flight, and connections; where `queued` is set, connections only."""
    queued: int = 0
    """How many requests are started at once, to wait for the connections; 0 is no more than there are connections."""
    loop: str = "uvloop"
    variant: str = ""
    """A way of the peer to do it, such as another model library."""
    body: str = ""
    """The file with the JSON of the body to POST; empty is a GET."""
    ca: str = ""
    """The file with the authority of the server's certificate."""
    seconds: float = 2.0
    """How long the measured part shall last."""
    server: tuple[int, ...] = ()
    """The server's processes, whose CPU time is noted beside the client's."""

    @property
    def url(self) -> str:
        """The whole URL."""
        return self.origin + self.path

    def to_json(self) -> str:
        """Write it as an argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))
