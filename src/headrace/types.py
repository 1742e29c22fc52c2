"""The names that public signatures are written in: aliases and Protocols, no code."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict, runtime_checkable

if TYPE_CHECKING:
    import os
    from decimal import Decimal

    import aiohttp.payload
    from yarl import URL

    from headrace._core.limits.server_limits import Told
    from headrace._core.messages import Request, Response
    from headrace._core.request.credentials import Credentials
    from headrace.policies import Timeout

#: A mapping, or any model that becomes one: a Struct, dataclass, attrs class or pydantic model.
MappingOrModel: TypeAlias = Mapping[str, Any] | Any
Headers: TypeAlias = MappingOrModel
Cookies: TypeAlias = MappingOrModel
Parameters: TypeAlias = MappingOrModel

Bytes: TypeAlias = bytes | bytearray | memoryview
#: What is encoded as the JSON text of a request: a mapping, list or any model.
Body: TypeAlias = Any
InMemory: TypeAlias = "Bytes | str | float | Decimal | Mapping[str, Any] | Sequence[tuple[str, Any]]"
Streamed: TypeAlias = "IO[bytes] | IO[str] | AsyncIterable[bytes] | Iterable[bytes]"
#: What is sent as it is.
Data: TypeAlias = "InMemory | Streamed | aiohttp.FormData | aiohttp.payload.Payload"
FileLike: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
#: What the bytes of a file may come from: a path, an open binary file, or an (async) iterable of bytes.
FileSource: TypeAlias = "FileLike | AsyncIterable[bytes] | Iterable[bytes]"
#: Called on the event loop with the bytes that are done, and with all there are; `None` where nobody knows.
Progress: TypeAlias = Callable[[int, int | None], object]


#: What an error body of a status becomes: a model, or a function of the JSON whose result is the `response` (or is
#: raised).
ErrorResponses: TypeAlias = Mapping[int, Any]
#: The token itself (a `str` or a pydantic `SecretStr`), or a function that is asked for one.
BearerToken: TypeAlias = str | Callable[[], "str | Awaitable[str]"] | Any


class Unset:
    """The one value that means "not given" where ``None`` has a meaning of its own."""

    def __repr__(self) -> str:
        """Read well in signatures."""
        return "UNSET"

    def __bool__(self) -> Literal[False]:
        """Be false, so that `or` finds the default."""
        return False

    def __reduce__(self) -> str:
        """Stay the one value when pickled."""
        return "UNSET"


UNSET = Unset()

#: The place of a value in a JSON document: names and indexes with dots between, or one after the other.
Place: TypeAlias = str | Sequence[str | int]
Items: TypeAlias = Place | None
#: What becomes of rows that do not fit: the error, nothing, or a `headrace.Partial` that has them.
OnInvalid: TypeAlias = Literal["raise", "skip", "collect"]

TimeoutLike: TypeAlias = "float | Timeout | Unset | None"


@runtime_checkable
class Limiter(Protocol):
    """What decides when a request may start.

    `acquire` is all that is needed. What a limiter has beyond it is asked once, when the client is made: see
    `TryingLimiter`, `PausingLimiter`, `OriginLimiter`, `FollowingLimiter`, `ForgettableLimiter` and `ChoosingLimiter`.
    """

    async def acquire(self) -> None:
        """Return when the request may start."""
        ...


@runtime_checkable
class TryingLimiter(Protocol):
    """A limiter that can start a request without waiting; it is asked first, and `acquire` only when it says no."""

    def try_acquire(self) -> bool:
        """Start now, if that is allowed and nobody waits; tell whether."""
        ...


@runtime_checkable
class PausingLimiter(Protocol):
    """A limiter that is told when the client's own API answers 429 or 503 with `Retry-After`.

    `most_pause`, where there is such an attribute, is how many seconds that may be at most; 3,600 where there is none.
    """

    def pause(self, seconds: float) -> None:
        """Let nobody start for so many seconds."""
        ...


@runtime_checkable
class OriginLimiter(Protocol):
    """A limiter that tells origins apart, where `by_origin` is true.

    Then `try_acquire(weight, origin)` and `acquire(weight, origin)` are called, and `pause(seconds, origin)` for
    whichever origin asked.
    """

    by_origin: bool


@runtime_checkable
class FollowingLimiter(Protocol):
    """A limiter that hears of every request, and, where `follow` is true, of the limits that the server names."""

    @property
    def follow(self) -> bool:
        """Whether what an answer says of the server's limits is to be read."""
        ...

    def sent(self) -> Any:
        """Note that a request starts; what is returned is given to `heard`."""
        ...

    def heard(self, mark: Any, told: Iterable[Told], /) -> None:
        """Note that a request has ended, and what its answer says, if it came from the client's own API."""
        ...


@runtime_checkable
class ForgettableLimiter(Protocol):
    """A limiter that tells when it is as good as new, so that a `KeyedLimiter` may forget it."""

    def idle_in(self) -> float:
        """Compute in how many seconds nothing will be left of it; infinity while it is in use."""
        ...


@runtime_checkable
class ChoosingLimiter(Protocol):
    """A limiter that names another one for each request, or one that has to be waited for."""

    def for_request(self, request: Request, /) -> Limiter | Awaitable[Limiter]:
        """Name the limiter of a request, which takes the place of this one."""
        ...


@runtime_checkable
class Transport(Protocol):
    """The one seam under the client: one request in, one response out.

    A transport that can hand on the body of a success while it arrives looks at `Delivery.sink`: where there is one, it
    attaches a body to it as soon as the head has come, and returns a response with the head alone. One that does not is
    as good: the whole body is handed on then.

    What more it can do is asked once, when a client is bound: see `CountingTransport` and `MarkingTransport`.
    """

    async def send(self, request: Request, /) -> Response:
        """Send one request and receive its response.

        Args:
            request: What to send; its redirects, cookies and retries are the client's.

        Returns:
            The response, its body complete and still content-coded.

        Raises:
            headrace.errors.TransportError: No whole, well-formed answer arrived.
        """
        ...

    async def close(self) -> None:
        """Close every connection; may be called more than once."""
        ...


@runtime_checkable
class CountingTransport(Protocol):
    """A transport, where `counts_starts` is true, that tells a limiter of a start that comes later than it was allowed.

    A request that a `RateLimiter` has let start has it in `Delivery.turn`. A transport that has to wait for a
    connection calls `turn.hold()` before, and `turn.resume(origin=…)` or `turn.drop()` after.
    """

    counts_starts: bool


@runtime_checkable
class MarkingTransport(Protocol):
    """A transport, where `marks_sent` is true, that notes whether a request may have reached the server.

    It sets `Delivery.sent` when it fails or is cancelled after it has begun to write; that becomes `maybe_sent` of the
    error. Any other is assumed to write as soon as it is asked.
    """

    marks_sent: bool


class Send(Protocol):
    """Sends a request for an `Auth`: through the client's transport, past its limiter, retries and defaults."""

    def __call__(
        self,
        method: str,
        url: str | URL,
        /,
        *,
        headers: Headers | None = None,
        body: Body = None,
        data: Bytes | str | Mapping[str, Any] | None = None,
        timeout: float | None = 30.0,
    ) -> Awaitable[Response]:
        """Send a request and receive its response; redirects are not followed, no status raises.

        Args:
            method: The method.
            url: An absolute http(s) URL.
            headers: Header fields beside those that every request has (a mapping or model).
            body: What is sent as JSON.
            data: What is sent as it is: bytes, text, or a mapping (a form).
            timeout: Seconds for all of it, or `None`.

        Returns:
            The response; its `body` is the content, decompressed.

        Raises:
            headrace.errors.TransportError: No whole, well-formed answer arrived in time.
            headrace.errors.ValidationError: An argument is wrong.
        """
        ...


@runtime_checkable
class Auth(Protocol):
    """What gives a client its credentials."""

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:
        """Give credentials; asked before the first request, when they have run out, and after a 401.

        Args:
            refused: Those that a server has answered with 401; `None` where there were none, or they have run out.
            send: Sends a request of its own, to a token endpoint for example.

        Returns:
            The credentials. The very object that was refused means that there are no others: the 401 is raised.
        """
        ...


class CallOptions(TypedDict, total=False):
    """The keyword options of every call."""

    headers: Headers | None
    cookies: Cookies | None
    parameters: Parameters | None
    timeout: TimeoutLike
    error_responses: ErrorResponses | None


class RequestOptions(CallOptions, total=False):
    """The options of a verb whose format says what it returns."""

    items: Items
    on_invalid: Literal["raise", "skip"]


class BodyOptions(RequestOptions, total=False):
    """The same, of a verb that carries a body."""

    body: Body
    data: Data | None


class RowOptions(CallOptions, total=False):
    """The options of a verb of which no format says what it returns."""

    items: Items
    on_invalid: OnInvalid


class BodyRowOptions(RowOptions, total=False):
    """The same, of a verb that carries a body."""

    body: Body
    data: Data | None


class UploadOptions(RequestOptions, total=False):
    """The options of an upload."""

    method: str
    chunk_size: int | None
    progress: Progress | None
    expect: bool


class UploadRowOptions(RowOptions, total=False):
    """The same, where no format says what it returns."""

    method: str
    chunk_size: int | None
    progress: Progress | None
    expect: bool


class PageOptions(CallOptions, total=False):
    """The options of a series of pages."""

    method: str
    items: Items
    pages: Any
    prefetch: int
    parallel: int
    max_pages: int | None
    max_items: int | None
    resume: Mapping[str, Any] | None
    incremental: Any
    on_invalid: OnInvalid
    body: Body
    data: Bytes | str | Mapping[str, Any] | None
