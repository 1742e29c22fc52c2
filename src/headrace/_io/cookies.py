"""Cookies that servers set live here, beside those that a client is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from headrace._core import encode
from headrace._core.setcookie import may_set

if TYPE_CHECKING:
    from yarl import URL

    from headrace._core.live import LiveMapping
    from headrace._core.messages import Response


class Cookies:
    """The `Cookie` field of each request: given ones, over them what servers set, over all what a call gives.

    Whoever spoke last about a cookie wins: a server may renew one that was given, and giving it anew takes it back.
    A jar needs a running loop, so there is none until a server sets a cookie.

    Attributes:
        jar: What servers have set, or `None`.
    """

    __slots__ = ("_given", "_source", "_state", "_written", "jar")

    def __init__(self) -> None:
        self.jar: aiohttp.CookieJar | None = None
        self._source: LiveMapping | None = None
        self._state = 0
        self._given: dict[Any, Any] = {}
        self._written = ""

    def text(self, given: LiveMapping, call: Any, url: URL | None, *, trusted: bool) -> str:
        """Write the value of the `Cookie` field.

        Args:
            given: The client's own cookies.
            call: The cookies of the call, or `None`.
            url: Where the request goes; needed where there is a jar.
            trusted: Whether the client's own cookies may go there.

        Returns:
            The value, empty for none.

        Raises:
            headrace.errors.ValidationError: A cookie is wrong.
        """
        if self._state != given.state:
            self._note_changes(given)
        if call is None and self.jar is None and trusted:
            return self._written
        values: dict[Any, Any] = dict(self._given) if trusted else {}
        if self.jar is not None and url is not None:
            values.update((name, morsel.coded_value) for name, morsel in self.jar.filter_cookies(url).items())
        if call is not None:
            values.update(encode.mapping(call, "cookies"))
        return encode.cookies(values)

    def _note_changes(self, given: LiveMapping) -> None:
        """Let cookies given anew take back what servers had set under their names; a new mapping takes back all."""
        fresh = given.copy()
        replaced = self._source is not given
        changed = {name for name in fresh | self._given if fresh.get(name) != self._given.get(name)}
        self._written = encode.cookies(fresh)
        self._given = fresh
        self._source = given
        self._state = given.state
        if self.jar is not None:
            if replaced:
                self.jar = None
            else:
                self.jar.clear(lambda morsel: morsel.key in changed)

    def receive(self, response: Response, url: URL) -> None:
        """Store what an answer may set (RFC 6265, section 5.3, as `aiohttp.CookieJar` reads it)."""
        if self.jar is None:
            self.jar = aiohttp.CookieJar()
        fields = [field for field in response.headers.getall("Set-Cookie", []) if may_set(field, url)]
        self.jar.update_cookies_from_headers(fields, url)
        if not len(self.jar):
            self.jar = None
