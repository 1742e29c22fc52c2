"""The verbs of a client, as callers and type checkers see them: each makes one `Call`."""

from __future__ import annotations

import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, Unpack, cast, overload

import msgspec

from headrace import _words
from headrace._client.signatures import takes
from headrace._core.call import OPTIONS, Call
from headrace.config import SETTINGS
from headrace.types import BodyRowOptions, RowOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import TypeForm
    from yarl import URL

    from headrace.types import Body, BodyOptions, RequestOptions

T = TypeVar("T")
Path: TypeAlias = "str | URL | None"
T_co = TypeVar("T_co", covariant=True)

#: Whose calls go another way in this task, and which one.
APART: ContextVar[tuple[object, Callable[[Call], Coroutine[Any, Any, Any]]] | None] = ContextVar("APART", default=None)


def apart_or(
    run: Callable[[Call], Coroutine[Any, Any, Any]], mark: object
) -> Callable[[Call], Coroutine[Any, Any, Any]]:
    """Make what sends calls another way in a task in which they go one, and else the usual way."""

    def choose(call: Call) -> Coroutine[Any, Any, Any]:
        apart = APART.get()
        return (run if apart is None or apart[0] is not mark else apart[1])(call)

    return choose


class TypeAdapterLike(Protocol[T_co]):
    """What a type checker sees of a `pydantic.TypeAdapter`."""

    def validate_json(self, data: str | bytes | bytearray, /) -> T_co:
        """Decode JSON text."""
        ...


class Verbs:
    """The request methods.

    All of them take, behind the path, keyword arguments only:

    Args:
        path: Joined to the client's `uri` with exactly one slash; `None` is the `uri` itself. An absolute URL is sent
            as it is.
        body: What is sent as JSON: a mapping, list or any model.
        data: What is sent as it is: bytes, text, a number, a mapping or list of pairs (a form), an `aiohttp.FormData`
            or payload, an open file, an (async) iterable of bytes.
        headers: Header fields of this request. Each replaces the client's of the same name; `None` leaves that out.
        cookies: Cookies of this request, merged in the same way.
        parameters: Query parameters of this request, merged in the same way. Nested ones get dotted keys, lists repeat
            the key.
        response_format: `None` for plain JSON, `bytes` or `str` for the body as it is, or a model. A single model class
            and a JSON array give a list of that model. `Answer[User]` gives the whole answer, `Partial[User]` the rows
            that fit and those that do not.
        timeout: Seconds for the whole request, a `Timeout`, or `None` for no limit.
        error_responses: Status to model or function, for this request; the client's hold for other statuses.
        items: The place of the value in the document: names and indexes with dots between, such as ``"data.items"``,
            or a list of them. `None` is the document itself.
        on_invalid: With `response_format=list[...]`, what becomes of rows that do not fit: ``"raise"`` the error,
            ``"skip"`` leaves them out, ``"collect"`` gives a `headrace.Partial`.

    Returns:
        The decoded body; `None` where a success has none, and where the client is closed (nothing is sent then).

    Raises:
        headrace.errors.ValidationError: An argument is wrong; nothing was sent.
        headrace.errors.HTTPError: The status is no success: its own class, with the decoded error body as `response`.
        headrace.errors.ResponseParseError: The body of a success is not JSON, or (`ResponseValidationError`) does not
            fit.
        headrace.errors.TransportError: No whole answer arrived: `ConnectError`, `ConnectionLost`, `ProtocolError`,
            `RequestTimeout`, `PoolTimeout`, `ResponseTooLarge`, `UploadError`.
    """

    #: Sends a call: the pipeline, or else what asks the subclass's own `request`.
    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]
    _run: Callable[[Call], Coroutine[Any, Any, Any]]
    #: Sends a call that is only a method, a path, a body and a format: a lane, or else what sends any call.
    _plainly: Callable[[str, Any, Any, Any], Coroutine[Any, Any, Any]]

    def _dispatching(
        self, run: Callable[[Call], Coroutine[Any, Any, Any]]
    ) -> Callable[[Call], Coroutine[Any, Any, Any]]:
        """Choose what sends the calls: a subclass that has a `request` of its own is asked for everything.

        Args:
            run: The pipeline.
        """
        if type(self).request is Verbs.request:
            return run
        client = weakref.ref(self)  # or it would hold itself, and live until the collector comes

        def ask(call: Call) -> Coroutine[Any, Any, Any]:
            return cast("Verbs", client()).request(call.method, call.path, **call.options())

        return ask

    def _choosing(
        self, run: Callable[[Call], Coroutine[Any, Any, Any]], mark: object
    ) -> Callable[[Call], Coroutine[Any, Any, Any]]:
        """Choose what a `request` sends by: of a subclass's own that is another pipeline where a bulk says so.

        Args:
            run: The client's pipeline.
            mark: Of this client, as it stands in `APART`.
        """
        return run if type(self).request is Verbs.request else apart_or(run, mark)

    @overload
    async def request(
        self, method: str, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def request(
        self, method: str, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def request(
        self, method: str, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...

    @takes(BodyRowOptions)
    async def request(self, method: str, path: Path = None, *, response_format: Any = None, **options: Any) -> Any:
        """Send a request with any method, a token (RFC 9110, section 9.1)."""
        plain = Call(path, method, response_format)
        call = plain if not options else as_call("request", plain, options)
        path = None  # logs may show the variables of a frame
        return await self._run(call)

    @overload
    async def get(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]) -> T: ...

    @overload
    async def get(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...

    @overload
    async def get(self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]) -> Any: ...

    @takes(RowOptions)
    async def get(self, path: Path = None, *, response_format: Any = None, **options: Any) -> Any:
        """Send a GET request (RFC 9110, section 9.3.1)."""
        if options:
            sending = self._dispatch(as_call("get", Call(path, "GET", response_format), options))
        else:
            sending = self._plainly("GET", path, None, response_format)
        path = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def head(
        self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]
    ) -> T: ...

    @overload
    async def head(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...

    @overload
    async def head(self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]) -> Any: ...

    @takes(RowOptions)
    async def head(self, path: Path = None, *, response_format: Any = None, **options: Any) -> Any:
        """Send a HEAD request (RFC 9110, section 9.3.2); a success gives `None`."""
        if options:
            sending = self._dispatch(as_call("head", Call(path, "HEAD", response_format), options))
        else:
            sending = self._plainly("HEAD", path, None, response_format)
        path = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def options(
        self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[RequestOptions]
    ) -> T: ...

    @overload
    async def options(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[RequestOptions]
    ) -> T: ...

    @overload
    async def options(
        self, path: Path = None, *, response_format: Any = None, **options: Unpack[RowOptions]
    ) -> Any: ...

    @takes(RowOptions)
    async def options(self, path: Path = None, *, response_format: Any = None, **options: Any) -> Any:
        """Send an OPTIONS request (RFC 9110, section 9.3.7)."""
        if options:
            sending = self._dispatch(as_call("options", Call(path, "OPTIONS", response_format), options))
        else:
            sending = self._plainly("OPTIONS", path, None, response_format)
        path = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def delete(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T: ...

    @overload
    async def delete(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def delete(
        self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...

    @takes(BodyRowOptions)
    async def delete(self, path: Path = None, *, body: Body = None, response_format: Any = None, **options: Any) -> Any:
        """Send a DELETE request (RFC 9110, section 9.3.5)."""
        if options:
            sending = self._dispatch(as_call("delete", Call(path, "DELETE", response_format, body), options))
        else:
            sending = self._plainly("DELETE", path, body, response_format)
        path = body = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def post(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T: ...

    @overload
    async def post(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def post(
        self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...

    @takes(BodyRowOptions)
    async def post(self, path: Path = None, *, body: Body = None, response_format: Any = None, **options: Any) -> Any:
        """Send a POST request (RFC 9110, section 9.3.3)."""
        if options:
            sending = self._dispatch(as_call("post", Call(path, "POST", response_format, body), options))
        else:
            sending = self._plainly("POST", path, body, response_format)
        path = body = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def put(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T: ...

    @overload
    async def put(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def put(
        self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...

    @takes(BodyRowOptions)
    async def put(self, path: Path = None, *, body: Body = None, response_format: Any = None, **options: Any) -> Any:
        """Send a PUT request (RFC 9110, section 9.3.4)."""
        if options:
            sending = self._dispatch(as_call("put", Call(path, "PUT", response_format, body), options))
        else:
            sending = self._plainly("PUT", path, body, response_format)
        path = body = None  # logs may show the variables of a frame
        return await sending

    @overload
    async def patch(self, path: Path = None, *, response_format: TypeForm[T], **options: Unpack[BodyOptions]) -> T: ...

    @overload
    async def patch(
        self, path: Path = None, *, response_format: TypeAdapterLike[T], **options: Unpack[BodyOptions]
    ) -> T: ...

    @overload
    async def patch(
        self, path: Path = None, *, response_format: Any = None, **options: Unpack[BodyRowOptions]
    ) -> Any: ...

    @takes(BodyRowOptions)
    async def patch(self, path: Path = None, *, body: Body = None, response_format: Any = None, **options: Any) -> Any:
        """Send a PATCH request (RFC 5789)."""
        if options:
            sending = self._dispatch(as_call("patch", Call(path, "PATCH", response_format, body), options))
        else:
            sending = self._plainly("PATCH", path, body, response_format)
        path = body = None  # logs may show the variables of a frame
        return await sending


def check_options(verb: str, options: dict[str, Any], known: frozenset[str]) -> None:
    """Refuse an option that a verb does not know; all of them are forgotten then.

    Raises:
        TypeError: There is one.
    """
    unknown = options.keys() - known
    if unknown:
        options.clear()  # logs may show the variables of a frame, and these are the verb's own too
        raise TypeError(_words.of_call(verb, min(unknown), {*known, "response_format"}, SETTINGS))


def as_call(verb: str, plain: Call, options: dict[str, Any]) -> Call:
    """Make the call of a verb with options, and forget them: logs may show the variables of its frame.

    Raises:
        TypeError: One of the options is unknown.
    """
    try:
        check_options(verb, options, OPTIONS)
        return msgspec.structs.replace(plain, **options)
    finally:
        options.clear()
