"""A client's defaults under one call's arguments: what can be made once is made once, until a setting changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from yarl import URL

from headrace import _redact
from headrace._checks import as_url, origin, wrong
from headrace._core.http import content_coding
from headrace._core.messages import FRAMING, HeaderBlock, Origin
from headrace._core.request import encode
from headrace._core.request.live_mapping import LiveMapping
from headrace._merging import merge_mapping
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace._core.request.credentials import Credentials
    from headrace.config import ClientConfig

ABSOLUTE = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*)://").match
#: Finds what a path has that cannot go behind another as it is: something to encode (RFC 3986), a scheme, or a query.
NOT_PLAIN = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=@/]").search
_SCALARS = (str, int, float, bool, type(None))
_MOST_ORIGINS = 256
_MOST_BLOCKS = 32  # header blocks of one client: without a body, with JSON, with each set of cookies


class Defaults:
    """The live settings of a client, and the wire text that follows from them.

    Args:
        config: What the client is made from.
        user_agent: The `User-Agent` field that is sent unless the headers have one.

    Attributes:
        query: The query of a call without parameters of its own; `None` where it has to be made anew.
        settled: By content type, the header block of a call without headers and cookies of its own.
    """

    headers: LiveMapping
    cookies: LiveMapping
    parameters: LiveMapping

    def __init__(self, config: ClientConfig, user_agent: str) -> None:
        self.query: str | None = None
        self.settled: dict[str | None, HeaderBlock] = {}
        self._blocks: dict[tuple[str, str | None], HeaderBlock] = {}
        self.assign("headers", config.headers)
        self.assign("cookies", config.cookies)
        self.assign("parameters", config.parameters)
        self.error_responses = LiveMapping(config.error_responses)
        self.uri = config.uri.with_user(None) if config.uri.raw_user is not None else config.uri
        self.origin = Origin(self.uri)
        self.base = self.uri.raw_path.rstrip("/")
        self.credentials: Credentials | None = None
        self._own_query = self.uri.raw_query_string
        self._basic = encode.basic(config.uri)
        self.trusted = config.trusted_origins
        self._origins: dict[str, Origin] = {self.origin.text: self.origin}
        self.automatic = {
            "User-Agent": user_agent,
            "Accept": "application/json, */*;q=0.8",
            "Accept-Encoding": content_coding.accept_encoding(),
        }

    def assign(self, name: Literal["headers", "cookies", "parameters"], values: Any) -> None:
        """Give the client other `headers`, `cookies` or `parameters`."""
        folded, hidden = name == "headers", name == "cookies"
        setattr(self, name, LiveMapping(values, fold_case=folded, hidden=hidden, on_change=self._forget))

    def _forget(self) -> None:
        """Make anew what follows from the settings: one of them has changed."""
        self.query = None
        self.settled.clear()
        self._blocks.clear()

    def use(self, credentials: Credentials | None) -> None:
        """Go with these credentials from now on."""
        self.credentials = credentials
        self._forget()

    def locate(self, path: Any, parameters: Any) -> tuple[Origin, str, bool, str | None]:
        """Find where a call goes.

        Args:
            path: The path of the call, or an absolute URL; `None` is the client's own URI.
            parameters: The parameters of the call, or `None`.

        Returns:
            The origin, the path and query, whether the client's credentials may go there, and the credentials in the
            URL itself.

        Raises:
            headrace.errors.ValidationError: The path or a parameter is wrong.
        """
        if type(path) is str and path and not NOT_PLAIN(path) and "//" not in path:
            query = self.query if parameters is None else None
            if query is None:
                query = self._query_for(parameters)
            target = f"{self.base}{path}" if path[0] == "/" else f"{self.base}/{path}"
            return self.origin, f"{target}?{query}" if query else target, True, None
        if path is None:
            path = ""
        elif not isinstance(path, (str, URL)):
            raise wrong("path", path, "a str, a yarl.URL or None")
        path = str.__str__(path) if isinstance(path, str) else str(path)
        if "://" in path and (absolute := ABSOLUTE(path)):
            if absolute["scheme"].lower() not in ("http", "https"):
                message = f"path: {absolute['scheme']}:// is not a scheme that can be requested; takes http or https"
                raise ValidationError(message)
            return self._locate_absolute(path, parameters)
        target = encode.target(self.base, path) if path else self.uri.raw_path or "/"
        return self.origin, encode.with_query(target, self._query_for(parameters)), True, None

    def plain_target(self, path: Any) -> str | None:
        """Write path and query of a call that names neither parameters nor anything to encode; `None`: find it out."""
        query = self.query
        if query is None or type(path) is not str or not path or NOT_PLAIN(path) or "//" in path:
            return None
        target = f"{self.base}{path}" if path[0] == "/" else f"{self.base}/{path}"
        return f"{target}?{query}" if query else target

    def _locate_absolute(self, path: str, parameters: Any) -> tuple[Origin, str, bool, str | None]:
        """Locate an absolute URL: sent as it is, but that our own origin gets the default parameters it lacks."""
        url = as_url(path.replace(" ", "%20"), "path")
        site = self.origin_of(url)
        trusted = self.trusts(site)
        target = encode.as_it_is(path)
        given = dict(encode.mapping(parameters, "parameters"))
        if trusted:
            lacking = {key: value for key, value in self._parameters().items() if key not in url.query}
            given = merge_mapping(lacking, given)
        return site, encode.with_query(target, encode.query(given)), trusted, encode.basic(url)

    def origin_of(self, url: URL) -> Origin:
        """Find the origin of a URL, made once."""
        key = origin(url)
        known = self._origins.get(key)
        if known is None:
            if len(self._origins) >= _MOST_ORIGINS:
                self._origins = {self.origin.text: self.origin}
            known = self._origins[key] = Origin(url)
        return known

    def trusts(self, site: Origin) -> bool:
        """Tell whether the client's credentials may go to an origin."""
        return site == self.origin or site.text in self.trusted

    def _parameters(self) -> Mapping[Any, Any]:
        """Lay the default parameters over those that are credentials."""
        if self.credentials is None or not self.credentials.parameters:
            return self.parameters
        return merge_mapping(self.credentials.parameters, self.parameters)

    def secrets(self) -> dict[str, str]:
        """Find the default parameters that are, or may be, credentials; a URL of our own origin gets those it lacks."""
        known = set() if self.credentials is None else set(self.credentials.parameters)
        pairs = encode.pairs(self._parameters(), "parameters")
        return {name: value for name, value in pairs if name in known or _redact.is_secret(name)}

    def _query_for(self, parameters: Any) -> str:
        """Write the query behind the path: that of the client's URI, then the parameters."""
        merged: Any = self._parameters()
        if parameters is not None:
            given = encode.mapping(parameters, "parameters")
            merged = merge_mapping(merged, given) if merged else given
        query = "&".join(part for part in (self._own_query, encode.query(merged)) if part)
        if parameters is None and _never_changes_inside(self.parameters):
            self.query = query
        return query

    def block(
        self,
        call_headers: Any,
        cookie_text: str,
        content_type: str | None,
        basic: str | None,
        *,
        trusted: bool,
        settled: bool = False,
    ) -> HeaderBlock:
        """Write the header fields of a call.

        Args:
            call_headers: The headers of the call, or `None`.
            cookie_text: The value of the `Cookie` field; empty for none.
            content_type: The type of the body, where it has one and the headers name none.
            basic: An `Authorization` field from the URL of the call.
            trusted: Whether the client's credentials may go there.
            settled: Whether the block follows from the client's settings and the content type alone.

        Raises:
            headrace.errors.ValidationError: A field is wrong.
        """
        key = (cookie_text, content_type)
        plain = call_headers is None and basic is None and trusted
        if plain and key in self._blocks:
            return self._blocks[key]
        fields = self._defaults(trusted=trusted)
        if content_type is not None and not any(str(name).lower() == "content-type" for name in fields):
            fields["Content-Type"] = content_type
        if basic is not None:
            fields = merge_mapping(fields, {"Authorization": basic}, fold_case=True)
        if call_headers is not None:
            fields = merge_mapping(fields, encode.mapping(call_headers, "headers"), fold_case=True)
        if cookie_text and not any(str(name).lower() == "cookie" for name in fields):
            fields["Cookie"] = cookie_text
        pairs = [encode.header(name, value) for name, value in fields.items() if value is not None]
        block = HeaderBlock(pairs, self.credentials if trusted else None)
        if plain and _never_changes_inside(self.headers):
            if len(self._blocks) >= _MOST_BLOCKS:
                self._forget()
            self._blocks[key] = block
            if settled:
                self.settled[content_type] = block
        return block

    def _defaults(self, *, trusted: bool) -> dict[Any, Any]:
        fields = merge_mapping(self.automatic, self.headers, fold_case=True)
        if not trusted:
            return {name: value for name, value in fields.items() if not _redact.is_secret(str(name))}
        own = {} if self._basic is None else {"Authorization": self._basic}
        if self.credentials is not None:
            own = merge_mapping(own, self.credentials.headers, fold_case=True)
        own = {name: value for name, value in own.items() if name not in self.headers}
        return merge_mapping(fields, own, fold_case=True) if own else fields


def _never_changes_inside(settings: LiveMapping) -> bool:
    """Tell whether every value is a scalar: a list or model in it could change without the mapping noticing."""
    return all(isinstance(value, _SCALARS) for value in settings.values())


def check_framing(block: HeaderBlock, body: Any) -> HeaderBlock:
    """Hold a caller's framing fields to the truth: they say where a message ends, so only the exchange may write them.

    Returns:
        The block without them.

    Raises:
        headrace.errors.ValidationError: `Content-Length` is not the body's length, or there is a `Transfer-Encoding`.
    """
    if not block.framed:
        return block
    size = len(body) if isinstance(body, bytes) else 0 if body is None else body.size
    for name, value in block.pairs:
        if name.lower() == "transfer-encoding":
            message = "headers['Transfer-Encoding']: is written by the exchange; leave it out"
            raise ValidationError(message)
        if name.lower() == "content-length" and value != str(size):
            message = f"headers['Content-Length']: the body has {size} bytes; leave the field out"
            raise ValidationError(message)
    return HeaderBlock([pair for pair in block.pairs if pair[0].lower() not in FRAMING], block.credentials)
