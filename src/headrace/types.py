"""The names that public signatures are written in: aliases and Protocols, no code."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypedDict, runtime_checkable

if TYPE_CHECKING:
    import os

    import aiohttp
    from yarl import URL

    from headrace._core.messages import Request, Response
    from headrace._core.request.credentials import Credentials
    from headrace.config import Timeout

#: A mapping, or any model that becomes one: a Struct, dataclass, attrs class or pydantic model.
MappingOrModel: TypeAlias = Mapping[str, Any] | Any
Headers: TypeAlias = MappingOrModel
Cookies: TypeAlias = MappingOrModel
Parameters: TypeAlias = MappingOrModel

Bytes: TypeAlias = bytes | bytearray | memoryview
#: What is encoded as the JSON text of a request: a mapping, list or any model.
Body: TypeAlias = Any
#: What is sent as it is.
Data: TypeAlias = (
    "Bytes | str | Mapping[str, Any] | aiohttp.FormData | IO[bytes] | AsyncIterable[bytes] | Iterable[bytes]"
)
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

#: What becomes of rows that do not fit: the error, nothing, or a `headrace.Partial` that has them.
OnInvalid: TypeAlias = Literal["raise", "skip", "collect"]

TimeoutLike: TypeAlias = "float | Timeout | Unset | None"


@runtime_checkable
class Limiter(Protocol):
    """What decides when a request may start.

    `acquire` is all that is needed. A client uses more of a limiter that has more:

    - `try_acquire() -> bool` starts without waiting where that is allowed. It is asked first, and `acquire` only when
      it says no.
    - `pause(seconds)` is told how long the client's own API, when it answers 429 or 503 with `Retry-After`, asks
      everybody to stay away; `most_pause`, where there is such a thing, is how many seconds that may be at most.
    - `by_origin`, where it is true, says that it tells origins apart: `try_acquire(weight, origin)`,
      `acquire(weight, origin)` and `pause(seconds, origin)` are called, the latter for whichever origin asked.
    - `for_request(request) -> Limiter` names the limiter of a request. It is asked for each of them, and what it
      returns takes the place of the limiter itself.
    - `follow`, where there is such a thing, says that there are `sent() -> mark`, called when a request starts, and
      `heard(mark, told)`, called when it has ended. Where `follow` is true, `told` is what the answer says of the
      server's limits (`headrace._core.limits.server_limits.Told`), if it came from the client's own API.
    """

    async def acquire(self) -> None:
        """Return when the request may start."""
        ...


@runtime_checkable
class Transport(Protocol):
    """The one seam under the client: one request in, one response out.

    A transport that can hand on the body of a success while it arrives looks at `Request.sink`: where there is one, it
    attaches a body to it as soon as the head has come, and returns a response with the head alone. One that does not is
    as good: the whole body is handed on then.

    Where it has a true `counts_starts`, a request that a `RateLimiter` has let start has it in `Request.turn`. Then a
    transport that has to wait for a connection calls `turn.hold()` before, and `turn.resume(origin=…)` or `turn.drop()`
    after.

    Where it has a true `marks_sent`, it sets `Request.sent` when it fails or is cancelled after it has begun to write;
    that becomes `maybe_sent` of the error. Any other is assumed to write as soon as it is asked.
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


class RequestOptions(TypedDict, total=False):
    """The keyword options that every verb takes."""

    headers: Headers | None
    cookies: Cookies | None
    parameters: Parameters | None
    timeout: TimeoutLike
    error_responses: ErrorResponses | None


class BodyOptions(RequestOptions, total=False):
    """The options of a verb that carries a body."""

    body: Body
    data: Data | None


class RowOptions(RequestOptions, total=False):
    """The options of a verb whose rows need not all fit; what it returns depends on `on_invalid`."""

    on_invalid: OnInvalid


class BodyRowOptions(BodyOptions, total=False):
    """The same, of a verb that carries a body."""

    on_invalid: OnInvalid


class UploadOptions(RequestOptions, total=False):
    """The options of an upload."""

    method: str
    chunk_size: int | None
    progress: Progress | None
    expect: bool


class UploadRowOptions(UploadOptions, total=False):
    """The same, whose rows need not all fit."""

    on_invalid: OnInvalid
