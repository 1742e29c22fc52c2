"""One request, one response, and what they are made of: the values that cross the Transport seam."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, runtime_checkable

import msgspec
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from headrace import _redact
from headrace._checks import origin
from headrace.errors import Attempt
from headrace.policies import Timeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

    from headrace._core.request.credentials import Credentials

_NO_TIMEOUT = Timeout(total=None, connect=None)


class Origin:
    """Scheme, host and port of a server (RFC 9110, section 4.3.1), with the texts that requests need made once."""

    __slots__ = ("authority", "host", "port", "scheme", "text")

    def __init__(self, url: URL) -> None:
        self.scheme = url.scheme
        self.host = url.raw_host or ""
        self.port = url.port
        self.text = origin(url)
        self.authority = self.text.partition("://")[2]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Origin) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"<Origin {self.text}>"


#: Seconds to wait for a 100 (RFC 9110, section 10.1.1: a server may never send one, so nobody waits for ever).
CONTINUE_SECONDS: Final = 1.0
#: RFC 9112, section 6: these fields say where a message ends, so they are the exchange's own.
FRAMING: Final = frozenset({"content-length", "transfer-encoding"})


class HeaderBlock:
    """Header fields of requests, written and proven once, used until a setting changes.

    Attributes:
        closes: Whether they say that the connection ends behind the answer (RFC 9112, section 9.6).
        framed: Whether a caller's framing fields are among them, which have to be checked against the body.
        written: The origin they went to last, and what then stood between a target and the framing.

    Args:
        pairs: Names and values; `headrace._core.request.proof` looks at them when they are written.
        credentials: The client's credentials that the request goes with, unless its call has put others in their place.
    """

    __slots__ = ("closes", "credentials", "framed", "names", "pairs", "written")

    def __init__(self, pairs: Iterable[tuple[str, str]], credentials: Credentials | None = None) -> None:
        self.pairs = tuple(pairs)
        self.credentials = credentials
        self.names = frozenset(name.lower() for name, _ in self.pairs)
        self.framed = not self.names.isdisjoint(FRAMING)
        self.closes = "connection" in self.names and _closes(self.pairs)
        self.written: tuple[Origin | None, str] = (None, "")

    def __repr__(self) -> str:
        return f"HeaderBlock({_redact.masked(self.pairs, self.credentials.headers if self.credentials else ())!r})"


def _closes(pairs: Iterable[tuple[str, str]]) -> bool:
    """Tell whether there is a `Connection` field with `close` among its options (RFC 9110, section 7.6.1)."""
    options = ",".join(value for name, value in pairs if name.lower() == "connection")
    return any(option.strip(" \t").lower() == "close" for option in options.split(","))


class StreamedBody(Protocol):
    """A request body that is not bytes in memory."""

    #: Bytes in all; `None` where the length is unknown and the body goes chunked.
    size: int | None
    #: The `Content-Type` to send where the caller gives none.
    content_type: str
    #: Told how much of it is sent.
    progress: Callable[[int, int | None], object] | None

    @property
    def refusal(self) -> str | None:
        """Why it cannot be begun any more, as the end of a sentence; `None` where it can."""
        ...

    def payload(self) -> Any:
        """Begin the body at its start, as an `aiohttp.payload.Payload`.

        Raises:
            headrace.errors.UploadError: It was sent before and has no start to return to.
        """
        ...

    async def finish(self) -> None:
        """Put away what sending has begun, whole or not."""
        ...


@runtime_checkable
class RejoinedTurn(Protocol):
    """A limiter whose starts may be held and made later (see `Turn`), or lost and waited for again."""

    def rejoin(self, origin: str | None = None) -> Awaitable[None]:
        """Wait for a start again, before all that have had no turn yet."""
        ...


class Turn(Protocol):
    """A start that is allowed, and counts from the moment at which its request is really sent."""

    def hold(self) -> None:
        """Take the start back, in the same step; the request waits for a connection."""
        ...

    def resume(self, *, at_any_rate: bool = False, origin: str | None = None) -> bool:
        """Make it now, unless there is a pause by now, of all or of an origin; tell whether the request may be sent."""
        ...

    def drop(self) -> None:
        """Let another one start instead."""
        ...


class BodySource(Protocol):
    """The body of an answer that arrives piece by piece."""

    async def read(self) -> bytes:
        """Wait for the next piece.

        Returns:
            At least one byte; none at the end of the body.

        Raises:
            headrace.errors.TransportError: The body will not arrive whole.
        """
        ...

    def close(self) -> None:
        """Take no more; the connection is closed unless the body has ended. May be called more than once."""
        ...


class FileTarget(Protocol):
    """What bytes are written to, in a thread."""

    @property
    def takes_pipes(self) -> bool:
        """Whether bytes that it never sees may go past it, into its file."""
        ...

    def write(self, pieces: Sequence[bytes | bytearray | memoryview]) -> None:
        """Append pieces, of which it may keep nothing."""
        ...

    def take(self, pipe: int, count: int) -> None:
        """Append so many bytes that a pipe holds."""
        ...


class Sink:
    """Where a transport puts the body of a success that the caller reads as it arrives.

    Attributes:
        source: The body; `None` where there is none, or it came whole with its response.
    """

    __slots__ = ("source",)

    def __init__(self) -> None:
        self.source: BodySource | None = None

    def attach(self, source: BodySource) -> None:
        """Take the body of the answer, instead of that of an answer before it."""
        self.close()
        self.source = source

    def close(self) -> None:
        """Take no more of the body."""
        source, self.source = self.source, None
        if source is not None:
            source.close()


class Connections(NamedTuple):
    """How a transport stands.

    Attributes:
        open: Connections that there are, those that are being dialed included.
        idle: Those of them that serve no request.
        waiting: Requests that wait for one.
    """

    open: int
    idle: int
    waiting: int


class HeldBack(Exception):
    """A request that was let start met a pause before it was sent: it has to wait for its turn once more."""


class Wait(enum.StrEnum):
    """What a request may wait for before it is sent."""

    RATE_LIMIT = "the rate limit"
    CONNECTION = "a free connection"
    CONNECTING = "connecting"
    PAUSES = "pauses between attempts"


class Delivery(msgspec.Struct, eq=False, gc=False):
    """What happens to a request on its way; whoever sends it writes here.

    Attributes:
        cookies: The cookies of the call, which go along while a redirect stays at home.
        sink: Where the body of a success may go as it arrives, once its head has been answered with; a transport that
            does not know it answers with the whole body. `None`: nobody reads it before it is whole.
        attempts: The attempts that have failed so far, where a `Retry` is at work.
        sent: Whether any byte may have reached the server, in whatever attempt. Written where a request fails, and
            where it goes on after an answer: a success costs nothing.
        turn: The limiter that has let it start, where that has to know of a start that comes later than that.
        repeated: Whether a transport has sent it again by itself, because a kept-alive connection was dead.
        follows: Whether it is what an answer asked for, such as a redirect, and no call of its own.
        last: What an answer asked for, and was sent last; `None` as long as that is the request itself.
        spent: Seconds that went by before it could be sent, by what they were waited for.
    """

    cookies: Any = None
    sink: Sink | None = None
    attempts: tuple[Attempt, ...] = ()
    sent: bool = False
    turn: Turn | None = None
    repeated: bool = False
    follows: bool = False
    last: Request | None = None
    spent: dict[Wait, float] | None = None

    def spend(self, waiting_for: Wait, seconds: float) -> None:
        """Note seconds that it has waited for something, for the error of a time that is over."""
        if self.spent is None:
            self.spent = {}
        self.spent[waiting_for] = self.spent.get(waiting_for, 0.0) + seconds

    def __repr__(self) -> str:
        return f"<Delivery {len(self.attempts)} attempts{', sent' if self.sent else ''}>"


class Request(msgspec.Struct, eq=False, gc=False, frozen=True):
    """One request as a transport sends it.

    Attributes:
        method: The method, a token in the case it is sent in.
        origin: Where it goes.
        target: Path and query, percent-encoded.
        headers: Every field but `Host` and the framing fields.
        body: The whole body, a `StreamedBody`, or `None`.
        timeout: Its parts bound the transport; the total is the client's affair.
        max_response_bytes: Bytes that the body of the answer may have on the wire; `None` is no limit.
        idempotent: Whether it may be sent a second time when a kept-alive connection turns out dead.
        way: What has happened to it on its way; `None` as long as there is nothing to tell, see `delivery`.
    """

    method: str
    origin: Origin
    target: str
    headers: HeaderBlock
    body: bytes | StreamedBody | None = None
    timeout: Timeout = _NO_TIMEOUT
    max_response_bytes: int | None = None
    idempotent: bool = False
    way: Delivery | None = None

    @property
    def delivery(self) -> Delivery:
        """What happens to it on its way, to be written by whoever sends it."""
        if self.way is None:
            msgspec.structs.force_setattr(self, "way", Delivery())
        return self.way  # type: ignore[return-value] # set above

    @property
    def url(self) -> URL:
        """The whole URL."""
        return URL(self.origin.text + self.target, encoded=True)

    @property
    def shown(self) -> str:
        """The URL as it may be shown."""
        return _redact.url(self.url, self.secret_parameters)

    @property
    def secret_parameters(self) -> Collection[str]:
        """The names of the query parameters that are credentials of the client's."""
        credentials = self.headers.credentials
        return () if credentials is None else credentials.parameters.keys()

    @property
    def sink(self) -> Sink | None:
        """Where the body of a success may go as it arrives; see `Delivery`."""
        return self.delivery.sink

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that have failed so far; see `Delivery`."""
        return self.delivery.attempts

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.shown}>"


def replaced(request: Request, **changes: Any) -> Request:
    """Copy a request with other fields; both are on the same way, and share their `Delivery`."""
    return msgspec.structs.replace(request, way=request.delivery, **changes)


class Response(msgspec.Struct, eq=False):
    """One answer, its body complete and still content-coded.

    Attributes:
        status: The status code.
        fields: The header fields as a map, as pairs, or as the bytes of the head; `headers` reads them.
        body: The body without transfer coding.
        coding: The value of `Content-Encoding`; `None` where nobody has looked for it in the fields yet.
        has_cookies: Whether there is a `Set-Cookie`; `None` where nobody has looked yet.
        trailers: The fields behind a chunked body, as pairs.
        asked: Seconds to stay away, by `Retry-After`; unset where nobody has read it yet.
        request: What it answers, where that is not what was sent first: behind a redirect, or with a key of a `Retry`.
    """

    status: int
    fields: Any = ()
    body: bytes = b""
    coding: bytes | None = None
    has_cookies: bool | None = None
    trailers: Any = ()
    request: Request | None = None
    asked: float | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The header fields, case-insensitive, repeated ones kept apart; read when someone looks."""
        if not isinstance(self.fields, CIMultiDictProxy):
            fields = _fields_of(self.fields) if isinstance(self.fields, bytes) else self.fields
            self.fields = CIMultiDictProxy(CIMultiDict(fields))
        return self.fields

    def give(self) -> bytes:
        """Give the body away, so that its memory is free as soon as the taker is done with it."""
        body, self.body = self.body, b""
        return body

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


def _fields_of(head: bytes) -> list[tuple[str, str]]:
    """Read the fields of a head that llhttp has accepted in strict mode: every line is `name ":" OWS value OWS`."""
    lines = head.decode("utf-8", "surrogateescape").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return [(name, value.strip(" \t")) for name, _, value in pairs]
