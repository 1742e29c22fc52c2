"""What a client is configured with: how settings are inherited, merged, checked, read and changed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

from headrace import _words
from headrace import config as settings
from headrace._checks import given
from headrace._client import unmade
from headrace._client.binding import Binding
from headrace._client.lane import Lane
from headrace._client.pipeline import Pipeline
from headrace._core.call import Call
from headrace._core.request import encode
from headrace._core.request.live_mapping import LiveMapping
from headrace._core.request.prepare import Defaults
from headrace._core.stats import Stats
from headrace._core.values import answer
from headrace._io.flow.cookies import Cookies
from headrace._io.flow.credential_cache import CredentialCache
from headrace._io.limits.rate import RateLimiter
from headrace._version import __version__
from headrace.config import ClientConfig
from headrace.errors import AsyncClientError, ClientError
from headrace.types import UNSET

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping

    from yarl import URL

    from headrace._core.messages import Response
    from headrace.config import ClientSettings, PoolLimits
    from headrace.policies import CircuitBreaker, Retry
    from headrace.types import Auth, BearerToken, ErrorResponses, Limiter, Parameters, TimeoutLike, Transport, Unset
    from headrace.types import Cookies as CookiesLike
    from headrace.types import Headers as HeadersLike

_UNVERIFIED = "tls=False: servers are not verified, anyone on the way can read and change everything"


class Settings:
    """The part of a client that is its settings: subclass parameters, the constructor, the live mappings."""

    _config: ClientConfig
    _stats: Stats
    _defaults: Defaults
    _limiter: Limiter | None
    _auth: CredentialCache
    _cookies: Cookies
    _binding: Binding
    _pipeline: Pipeline
    _run: Callable[[Call], Coroutine[Any, Any, Any]]
    _dispatch: Callable[[Call], Coroutine[Any, Any, Any]]
    _plainly: Callable[[str, Any, Any, Any], Coroutine[Any, Any, Any]]
    _dispatching: Callable[[Callable[[Call], Coroutine[Any, Any, Any]]], Callable[[Call], Coroutine[Any, Any, Any]]]
    _choosing: Callable[
        [Callable[[Call], Coroutine[Any, Any, Any]], object], Callable[[Call], Coroutine[Any, Any, Any]]
    ]

    #: What is raised where the client is set up wrongly.
    _misuse: ClassVar[type[ClientError]] = AsyncClientError
    _pipeline_class: ClassVar[type[Pipeline]] = Pipeline
    _own_settings: ClassVar[Mapping[str, Any]] = {}
    _class_settings: ClassVar[Mapping[str, Any]] = {}

    def __init_subclass__(cls, **parameters: Unpack[ClientSettings]) -> None:
        """Take subclass parameters and merge them over those of the parents."""
        unknown = parameters.keys() - settings.SETTINGS
        if unknown:
            word = min(unknown)
            message = f"{cls.__name__}: unknown subclass parameter {word!r}"
            raise TypeError(_words.of_client(message, word, settings.SETTINGS))
        super().__init_subclass__()
        merged: dict[str, Any] = {}
        for parent in reversed(cls.__mro__[1:]):
            merged = settings.merge(merged, vars(parent).get("_own_settings", {}))
        cls._own_settings = own = _plain(parameters)
        cls._class_settings = settings.merge(merged, own)
        settings.check_settings(cls._class_settings)
        unmade.prepare(cls)

    def __init__(
        self,
        uri: str | URL | None = None,
        *args: Any,
        headers: HeadersLike | None = None,
        cookies: CookiesLike | None = None,
        parameters: Parameters | None = None,
        error_responses: ErrorResponses | None = None,
        bearer_token: BearerToken | None = None,
        auth: Auth | None = None,
        rate_limit: float | None = None,
        rate_limit_interval: float | None = None,
        timeout: TimeoutLike = UNSET,
        retry: Retry | Unset | None = UNSET,
        circuit_breaker: CircuitBreaker | Unset | None = UNSET,
        limiter: Limiter | Unset | None = UNSET,
        pool: PoolLimits | Unset = UNSET,
        proxy: str | URL | Unset | None = UNSET,
        tls: ssl.SSLContext | bool | Unset = UNSET,
        transport: str | Transport | Unset = UNSET,
        max_response_bytes: int | Unset | None = UNSET,
        trusted_origins: str | URL | Iterable[str | URL] | Unset = UNSET,
        **kwargs: Any,
    ) -> None:
        arguments = locals()
        own = {name: arguments[name] for name in settings.SETTINGS if arguments[name] is not _UNGIVEN.get(name)}
        if "_config" in vars(self):  # a subclass's own `__init__` has used it before
            self._resume(own, args, kwargs)
            return
        merged = settings.merge(self._class_settings, _plain(own))
        if "uri" not in merged:
            name = type(self).__name__
            message = (
                f"{name} needs a uri: give it as a subclass parameter or to the constructor,"
                f' such as {name}("https://api.example.com/v1")'
            )
            raise self._misuse(message + _words.of_uri(kwargs))
        self._set_up(ClientConfig(**merged, arguments=args, keywords=kwargs))

    @classmethod
    def from_config(cls, config: ClientConfig) -> Self:
        """Make a client from a configuration, as it stands: nothing of the class is merged into it.

        Args:
            config: What another client was made from; see `AsyncClient.config`.

        Returns:
            A client equal to that one when it was made, its `__post_init__` called with the same arguments.
        """
        client = cls.__new__(cls)
        client._set_up(config)  # noqa: SLF001 - our own class
        return client

    def _set_up(self, config: ClientConfig) -> None:
        self._assemble(config)
        if config.tls is False:
            warnings.warn(_UNVERIFIED, stacklevel=3)
        self.__post_init__(*config.arguments, **config.keywords)

    def _set_up_unasked(self) -> None:
        """Set the client up with what its class says, because its `__init__` has not called ours."""
        name = type(self).__name__
        if "uri" not in self._class_settings:
            message = (
                f"{name}.__init__() has not called super().__init__(uri), and the class has no uri: call it before the"
                f" client is used, or write class {name}(…, uri=…)"
            )
            raise self._misuse(message)
        config = ClientConfig(**self._class_settings)
        self._assemble(config)
        if config.tls is False:
            warnings.warn(_UNVERIFIED, stacklevel=4)

    def _resume(self, own: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Go on with a client that was used before `super().__init__()` was called: what was changed on it stays."""
        if own:
            name = type(self).__name__
            message = f"{name}.__init__() has used the client before super().__init__({min(own)}=…): call that first"
            raise self._misuse(message)
        self.__post_init__(*args, **kwargs)

    def _assemble(self, config: ClientConfig) -> None:
        """Make the parts of a client."""
        self._config = config
        self._stats = stats = Stats()
        self._defaults = defaults = Defaults(config, f"headrace/{__version__}")
        self._limiter = config.limiter
        if self._limiter is None and config.rate_limit is not None:
            self._limiter = RateLimiter(config.rate_limit, config.rate_limit_interval)

        def send(call: Call) -> Awaitable[Response]:
            return plain.run(call)

        self._cookies = cookies = Cookies()
        self._auth = auth = CredentialCache(defaults, send)
        auth.assign(config.auth if config.bearer_token is None else _bearer(config.bearer_token))
        self._binding = binding = Binding(type(self).__name__, config, defaults, cookies, auth, self._limiter, stats)
        plain = self._pipeline_class(config, defaults, cookies, None, Stats(), binding)
        self._pipeline = pipeline = self._pipeline_class(config, defaults, cookies, auth, stats, binding)
        run = pipeline.run
        self._run = self._choosing(run, stats)
        self._dispatch = dispatch = self._dispatching(run)
        if dispatch is run and type(pipeline) is Pipeline:
            self._plainly = Lane(pipeline, config, defaults, cookies, auth, stats, binding).run
        else:
            self._plainly = lambda method, path, body, wanted: dispatch(Call(path, method, wanted, body))

    def __post_init__(self, *args: Any, **kwargs: Any) -> None:
        """Take the arguments that are no settings; runs last, and refuses them until a subclass gives them a meaning.

        Raises:
            TypeError: A keyword, or a positional argument of a class without a `__post_init__` of its own, has reached
                nobody that knows it.
        """
        if args and type(self).__post_init__ is Settings.__post_init__:
            shown = ", ".join(given("value", value) for value in args)
            message = (
                f"{type(self).__name__}() takes one positional argument, the uri, and got more: {shown};"
                " settings are keywords, such as timeout=10"
            )
            raise TypeError(message)
        if kwargs:
            word = next(iter(kwargs))
            message = f"{type(self).__name__}() got an unexpected keyword argument {word!r}"
            raise TypeError(_words.of_client(message, word, settings.SETTINGS))

    # -- settings
    #

    @property
    def config(self) -> ClientConfig:
        """What the client was made from: frozen, picklable, and enough for `from_config` to make an equal one."""
        return self._config

    @property
    def stats(self) -> Stats:
        """Counts since the client was made."""
        return self._stats

    @property
    def transport(self) -> Transport | None:
        """What sends the requests; `None` before the first one and after the end, unless a transport was given."""
        return self._binding.transport

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._binding.closed

    @property
    def uri(self) -> URL:
        """The base of every request, without userinfo."""
        return self._defaults.uri

    @property
    def uri_root(self) -> URL:
        """The origin of `uri`."""
        return self._defaults.uri.origin()

    @property
    def uri_path(self) -> URL:
        """The path and query of `uri`."""
        return self._defaults.uri.relative()

    @property
    def headers(self) -> LiveMapping:
        """The header fields sent with every request; a change holds for the next one. Names are case-insensitive."""
        return self._defaults.headers

    @headers.setter
    def headers(self, value: Any) -> None:
        self._defaults.assign("headers", encode.mapping(value, "headers"))

    @property
    def cookies(self) -> LiveMapping:
        """The cookies sent with every request; a change holds for the next; assigning drops what servers have set."""
        return self._defaults.cookies

    @cookies.setter
    def cookies(self, value: Any) -> None:
        self._defaults.assign("cookies", encode.mapping(value, "cookies"))

    @property
    def parameters(self) -> LiveMapping:
        """The query parameters sent with every request; a change holds for the next one."""
        return self._defaults.parameters

    @parameters.setter
    def parameters(self, value: Any) -> None:
        self._defaults.assign("parameters", encode.mapping(value, "parameters"))

    @property
    def error_responses(self) -> LiveMapping:
        """What the error bodies of which statuses become; a change holds for the next request."""
        return self._defaults.error_responses

    @error_responses.setter
    def error_responses(self, value: Any) -> None:
        self._defaults.error_responses = LiveMapping(answer.check_models(value))

    @property
    def bearer_token(self) -> str | None:
        """The token sent with every request; `None` where there is none, or none was asked for yet."""
        current = self._auth.current
        scheme, _, token = ("" if current is None else current.headers.get("Authorization", "")).partition(" ")
        return token if scheme == "Bearer" else None

    @bearer_token.setter
    def bearer_token(self, value: Any) -> None:
        self._auth.assign(None if value is None else _bearer(value))

    @property
    def auth(self) -> Auth | None:
        """What gives the client its credentials; assigning another holds for the next request."""
        return self._auth.auth

    @auth.setter
    def auth(self, value: Auth | None) -> None:
        settings.check_settings({"auth": value})
        self._auth.assign(value)

    @property
    def rate_limit(self) -> float | None:
        """Requests that may start in any `rate_limit_interval`."""
        return self._config.rate_limit

    @property
    def rate_limit_interval(self) -> float:
        """Seconds."""
        return self._config.rate_limit_interval

    @property
    def is_rate_limited(self) -> bool:
        """Whether requests pass a limiter."""
        return self._limiter is not None


#: What stands for "not given" in the constructor; everything that has no such default stands for itself.
_UNGIVEN: Mapping[str, Any] = Settings.__init__.__kwdefaults__ or {}


def _bearer(token: Any) -> Auth:
    from headrace.auth import BearerAuth  # few need it, and everybody would wait for its import

    return BearerAuth(token)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the models among settings into mappings, which merge and pickle."""
    plain = dict(parameters)
    for one, other in (("auth", "bearer_token"), ("bearer_token", "auth")):
        if plain.get(one) is not None:
            plain.setdefault(other, None)  # one takes the place of the other, also of an inherited one
    for name in ("headers", "cookies", "parameters"):
        if name in plain:
            plain[name] = encode.mapping(plain[name], name)
    if "error_responses" in plain:
        answer.check_models(plain["error_responses"])
    return plain
