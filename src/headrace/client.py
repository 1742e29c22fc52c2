"""The client: its settings, its verbs, and its life from the first request to `close`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar, Unpack, overload

from headrace import _redact
from headrace._client.calling import Calling
from headrace._client.pages import Paginating
from headrace._client.settings import Settings
from headrace._client.streams import Streams
from headrace._client.uploads import Uploads
from headrace._client.verbs import Verbs
from headrace.types import UNSET

if TYPE_CHECKING:
    from typing_extensions import TypeForm

    from headrace._client.pages import How
    from headrace._client.verbs import TypeAdapterLike
    from headrace.bulk.bulk import Bulk
    from headrace.bulk.options import BulkOptions, Calls
    from headrace.types import Items, Place

T = TypeVar("T")


class AsyncClient(Settings, Verbs, Uploads, Streams, Paginating):
    """A typed client of one HTTP API.

    Every keyword below is also a subclass parameter: ``class Github(AsyncClient, uri="https://api.github.com")``. A
    subclass inherits its parents' parameters; mappings merge key by key (`None` removes a key), everything else
    replaces. The constructor merges over the class in the same way. Arguments that are not listed go to
    `__post_init__`.

    Args:
        uri: Base of every request, an absolute http(s) URL (`str` or `yarl.URL`).
        headers: Header fields sent with every request (a mapping or model).
        cookies: Cookies sent with every request (a mapping or model).
        parameters: Query parameters sent with every request (a mapping or model).
        error_responses: Status to the model, or the function of the JSON, that an error body of that status becomes.
        bearer_token: A `str`, a pydantic `SecretStr`, or a sync or async function that returns one and is asked again
            after a 401.
        auth: An `Auth` of `headrace.auth`, or one of your own, instead of `bearer_token`.
        rate_limit: Requests that may start in any `rate_limit_interval`.
        rate_limit_interval: Seconds; 1 by default.
        timeout: Seconds for a whole request, a `Timeout`, or `None`; 300 s by default.
        retry: A `Retry`; `None`, the default, repeats only what met a dead kept-alive connection.
        circuit_breaker: A `CircuitBreaker` for each origin; `None`, the default, lets every request through.
        limiter: A `Limiter` instead of `rate_limit`, possibly shared between clients.
        pool: `PoolLimits`.
        proxy: URL of an HTTP proxy.
        tls: An `ssl.SSLContext`, or whether to verify servers.
        transport: ``"wire"``, ``"aiohttp"`` or a `Transport`.
        max_response_bytes: Bytes that a body may have after decompression, or `None`; 256 MiB by default.
        trusted_origins: Other origins that may get the client's credentials.

    Raises:
        headrace.errors.AsyncClientError: There is no `uri`, neither in the class nor in the call.
        headrace.errors.ValidationError: A value is wrong.
        TypeError: A keyword is neither a setting nor taken by `__post_init__`.
    """

    #: A client as its bulks know it.
    _calling_class: ClassVar[type[Calling]] = Calling

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeForm[T], items: Place, pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[T]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeForm[T], items: None = None, pages: How,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[T]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeForm[T], items: None = None, pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[T]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeAdapterLike[T], items: Place, pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[T]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeAdapterLike[T], items: None = None, pages: How,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[T]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: TypeAdapterLike[T], items: None = None, pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[T]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: None = None, items: Place, pages: How | None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[Any]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: None = None, items: None = None, pages: How,
        **options: Unpack[BulkOptions],
    ) -> Bulk[list[Any]]: ...  # fmt: skip

    @overload
    def bulk(
        self, calls: Calls, *, response_format: None = None, items: None = None, pages: None = None,
        **options: Unpack[BulkOptions],
    ) -> Bulk[Any]: ...  # fmt: skip

    def bulk(
        self,
        calls: Calls,
        *,
        response_format: Any = None,
        items: Items = None,
        pages: Any = None,
        incremental: Any = None,
        in_flight: Any = 64,
        ordered: bool = False,
        retry: Any = UNSET,
        expected: Any = (),
        on_invalid: Any = "collect",
        transform: Any = None,
        sink: Any = None,
        journal: Any = None,
        retry_failed: bool = True,
        commit_every: float = 5.0,
        max_failures: float | None = None,
        progress: Any = None,
    ) -> Bulk[Any]:
        """Make many calls, as outcomes that are iterated, or as rows that `run()` writes to a sink.

        Nothing is sent before one of the two begins. A request's time begins when the limiter lets it start.

        Args:
            calls: One path or `Call`, or an (async) iterable of paths, mappings of the arguments of a `Call`, and
                `Call`s; it is pulled when there is room, and may be endless.
            response_format: As for every request; with `items`, what a row becomes.
            items: The place of the rows in each document; ``""`` is the document.
            pages: How there is a next page, as for `paginate`: each call is a series of pages then, and each page an
                answer. A page is asked for when the one before it has come; `in_flight` bounds them all.
            incremental: An `Incremental`: rows that are new since the last run that has ended, each once; the journal
                keeps a mark for each call.
            in_flight: How many calls may be under way at once; ``"auto"``, or `(least, most)`, finds it out.
            ordered: Whether outcomes come in the order of their calls.
            retry: A `Retry`, or `None`; unset, the client's own, or else `Retry()`.
            expected: Statuses that are no failure, such as ``{404, 410}``.
            on_invalid: What becomes of rows that do not fit, with `items`: ``"collect"`` them, ``"skip"`` them, or
                ``"raise"``, which fails the call.
            transform: Makes of a row a row, several (a list, tuple or iterator), or none, before the sink.
            sink: Where `run()` writes: a sink of `headrace.sinks`, or of your own.
            journal: A path or a `Journal`, by which a bulk that is started again goes on; `True` lies beside the sink.
            retry_failed: Whether calls that failed before are asked again.
            commit_every: Seconds after which a batch of rows is committed; 10,000 rows are sooner.
            max_failures: Stop when more calls than this have failed; a float below 1 is a share, from 100 calls on.
            progress: A function that is given the report, at most ten times a second; `True` is a bar in the terminal.

        Returns:
            The bulk: an async iterator, or for `await client.bulk(…).run()`.

        Raises:
            headrace.errors.ValidationError: An argument is wrong.
        """
        from headrace.bulk.bulk import Bulk  # few need it, and everybody would wait for its import

        options = {name: value for name, value in locals().items() if name not in ("self", "calls", "Bulk")}
        return Bulk(self._calling_class(self), calls, options)

    async def close(self) -> None:
        """Close the client and its connections; requests under way fail at once. May be called more than once.

        After a fork the connections are left to the process that has made them.

        Raises:
            headrace.errors.AsyncClientError: Its event loop runs, and is not this one.
        """
        await self._binding.close()

    async def __aenter__(self) -> Self:
        _ = self._binding  # which is there if the constructor was called
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self, warn: Any = warnings.warn) -> None:
        """Warn of a client that was used and never closed."""
        binding = vars(self).get("_binding")  # and not the one that would be made now
        if binding is not None and binding.transport is not None:
            warn(f"unclosed {self!r}", ResourceWarning, source=self)

    if not TYPE_CHECKING:  # whose words are better still

        def __enter__(self) -> NoReturn:
            name = type(self).__name__
            message = f"`with` got a {name}, which is asynchronous: `async with {name}(…) as client:`"
            raise TypeError(message)

        def __exit__(self, *_: object) -> None:
            """Never come to."""

    def __repr__(self) -> str:
        if "_config" not in vars(self):
            return f"<{type(self).__name__} not set up>"
        return f"<{type(self).__name__} {_redact.url(self.uri)}{' closed' if self.closed else ''}>"
