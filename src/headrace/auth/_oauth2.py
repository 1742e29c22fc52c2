"""Tokens from an OAuth 2.0 token endpoint (RFC 6749), renewed before they run out."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
from yarl import URL

from headrace import _calling, _redact
from headrace._checks import as_url, wrong
from headrace._core.request import oauth2
from headrace._core.request.credentials import Credentials, reveal
from headrace.errors import AuthError, TransportError, ValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from headrace.types import Send


def _secret(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value is not None or attribute.default is attrs.NOTHING:
        reveal(value, attribute.alias or attribute.name)


def _token_url(value: Any) -> URL:
    url = as_url(value, "token_url")
    if url.raw_user is not None or url.raw_password is not None:
        message = "token_url: has a user or password; give client_id and client_secret"
        raise ValidationError(message)
    return url


def _scope(value: Any) -> Any:
    # What is no collection is left for the validator, which says so better.
    return " ".join(value) if isinstance(value, (list, tuple, set, frozenset)) else value


def _seconds(takes: str, *, least: float) -> Callable[[Any, attrs.Attribute[Any], Any], None]:
    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < math.inf:
            raise wrong(attribute.name, value, takes)

    return check


def _text(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) and not (value is None and attribute.default is None):
        raise wrong(attribute.name, value, "a str")


def _way(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if value not in ("basic", "body"):
        raise wrong(attribute.name, value, "'basic' or 'body'")


def _extra(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, Mapping):
        raise wrong(attribute.name, value, "a mapping of names to text")
    for name, text in value.items():
        if not isinstance(name, str):
            raise wrong(attribute.name, name, "names that are text")
        reveal(text, f"{attribute.name}[{name!r}]")


def _function(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not callable(value) and not (value is None and attribute.default is None):
        raise wrong(attribute.name, value, "a function")


@attrs.frozen(kw_only=True)
class _TokenEndpoint:
    """What every grant has in common."""

    scope: str | None = attrs.field(default=None, converter=_scope, validator=_text)
    extra: Mapping[str, Any] = attrs.field(factory=dict, validator=_extra, repr=False)
    client_auth: str = attrs.field(default="basic", validator=_way)
    leeway: float = attrs.field(default=30.0, validator=_seconds("seconds, 0 or more", least=0))
    timeout: float = attrs.field(default=30.0, validator=_seconds("seconds above 0", least=1e-9))
    clock: Callable[[], float] = attrs.field(default=time.monotonic, validator=_function, repr=False)

    def _grant(self) -> dict[str, str]:
        """Write the parameters that are the grant's own."""
        raise NotImplementedError

    def _client(self) -> tuple[str, str | None]:
        """Name the client, and reveal its secret."""
        raise NotImplementedError

    def _call(self) -> dict[str, Any]:
        grant = {name: reveal(value, "extra") for name, value in self.extra.items()}
        if self.scope is not None:
            grant["scope"] = self.scope
        return oauth2.call(grant | self._grant(), *self._client(), self.client_auth)

    def _conceal(self, text: str) -> str:
        secrets = [self._client()[1], self._grant().get("refresh_token")]
        secrets += [self._call()["headers"].get("Authorization", "").removeprefix("Basic ")]
        secrets += [reveal(value, "extra") for value in self.extra.values() if not isinstance(value, str)]
        return oauth2.concealed(text, filter(None, secrets))

    async def _ask(self, token_url: URL, send: Send) -> oauth2.Answer:
        """Ask for a token; no variable here holds a secret, since a traceback may show variables."""
        endpoint = _redact.url(token_url)
        try:
            response = await send("POST", token_url, timeout=self.timeout, **self._call())
        except TransportError as error:
            message = f"no token from {endpoint}: {Exception.__str__(error)}"  # which names the endpoint, too
            raise AuthError(message, endpoint=endpoint) from error
        return oauth2.read(response, endpoint, self._conceal)

    def _granted(self, answer: oauth2.Answer, began: float) -> Credentials:
        return Credentials(
            headers={"Authorization": f"Bearer {answer.access_token}"},
            expires_at=oauth2.expires_at(began, answer.expires_in, self.leeway),
        )


@attrs.frozen
class OAuth2ClientCredentials(_TokenEndpoint):
    """The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).

    Args:
        token_url: The token endpoint, an absolute http(s) URL.
        client_id: Who the client is.
        client_secret: A `str` or a `SecretStr`.
        scope: What is asked for: text with spaces, or a collection of names.
        extra: More parameters of the token request, such as ``{"audience": …}``; a value may be a `SecretStr`.
        client_auth: Whether id and secret go as ``"basic"`` authorization or in the ``"body"`` (section 2.3.1).
        leeway: Seconds before its end at which a token is renewed; at most half of its life.
        timeout: Seconds that the token endpoint may take.
        clock: Seconds on a clock that never goes back.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    token_url: URL = attrs.field(converter=_token_url, repr=_redact.url)
    client_id: str = attrs.field(validator=_text)
    client_secret: Any = attrs.field(validator=_secret, repr=False)

    def _grant(self) -> dict[str, str]:
        return {"grant_type": "client_credentials"}

    def _client(self) -> tuple[str, str | None]:
        return self.client_id, reveal(self.client_secret, "client_secret")

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:  # noqa: ARG002 - Auth's
        """Ask the token endpoint.

        Raises:
            headrace.errors.AuthError: It gave no token.
        """
        began = self.clock()
        return self._granted(await self._ask(self.token_url, send), began)


class _Rotation:
    """The refresh token that is good now, and who may spend it: it may be good for one time only.

    Clients that share an `OAuth2RefreshToken` share this too, so that none of them spends what another has spent.
    """

    __slots__ = ("_lock", "_loop", "latest", "token")

    def __init__(self, token: Any) -> None:
        self.token = token
        self.latest: Credentials | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until nobody else is refreshing."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # a lock belongs to one loop, and may be left locked by one that has ended
            self._loop, self._lock = loop, asyncio.Lock()
        async with self._lock:
            yield

    def __reduce__(self) -> tuple[Any, ...]:
        """Take the token that is good now along, and nothing that belongs to this process."""
        return _Rotation, (self.token,)


@attrs.frozen
class OAuth2RefreshToken(_TokenEndpoint):
    """The refresh token grant of OAuth 2.0 (RFC 6749, section 6).

    A server may answer with another refresh token, and take back the one that was used. It is kept here, also in a
    pickle of this object; `on_refresh` can store it for the next process.

    Args:
        token_url: The token endpoint, an absolute http(s) URL.
        refresh_token: A `str` or a `SecretStr`.
        client_id: Who the client is.
        client_secret: A `str` or a `SecretStr`; `None` for a client that has none.
        on_refresh: A sync or async function that is called with every new refresh token, before a request goes on.
        scope: What is asked for: text with spaces, or a collection of names.
        extra: More parameters of the token request; a value may be a `SecretStr`.
        client_auth: Whether id and secret go as ``"basic"`` authorization or in the ``"body"`` (section 2.3.1).
        leeway: Seconds before its end at which a token is renewed; at most half of its life.
        timeout: Seconds that the token endpoint may take.
        clock: Seconds on a clock that never goes back.

    Raises:
        headrace.errors.ValidationError: A value is wrong.
    """

    token_url: URL = attrs.field(converter=_token_url, repr=_redact.url)
    _refresh_token: Any = attrs.field(validator=_secret, repr=False)
    client_id: str = attrs.field(validator=_text)
    client_secret: Any = attrs.field(default=None, validator=_secret, repr=False)
    on_refresh: Callable[[str], Awaitable[object] | object] | None = attrs.field(
        default=None, validator=_function, kw_only=True, repr=False
    )
    _rotation: _Rotation = attrs.field(
        default=attrs.Factory(lambda self: _Rotation(self._refresh_token), takes_self=True),
        init=False,
        eq=False,
        repr=False,
    )

    @property
    def refresh_token(self) -> str:
        """The refresh token that is good now."""
        return reveal(self._rotation.token, "refresh_token")

    def _grant(self) -> dict[str, str]:
        return {"grant_type": "refresh_token", "refresh_token": self.refresh_token}

    def _client(self) -> tuple[str, str | None]:
        return self.client_id, None if self.client_secret is None else reveal(self.client_secret, "client_secret")

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:
        """Ask the token endpoint, unless another client has just done so.

        Raises:
            headrace.errors.AuthError: It gave no token.
        """
        rotation = self._rotation
        async with rotation.turn():
            began = self.clock()
            latest = rotation.latest
            if latest is not None and latest is not refused and not latest.expired(began):
                return latest
            answer = await self._ask(self.token_url, send)
            rotation.latest = self._granted(answer, began)
            if answer.refresh_token and answer.refresh_token != self.refresh_token:
                rotation.token = answer.refresh_token
                await self._tell(answer)
            return rotation.latest

    async def _tell(self, answer: oauth2.Answer) -> None:
        told = None if self.on_refresh is None else await _calling.call(self.on_refresh, str(answer.refresh_token))
        if inspect.isawaitable(told):
            await told
