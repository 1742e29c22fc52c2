"""Cookies that servers set go beside those that a client is given; whoever spoke last about one wins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from headrace._core.request import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.cookies import Morsel

    import aiohttp
    from yarl import URL

    from headrace._core.messages import Response
    from headrace._core.request.live_mapping import LiveMapping
    from headrace._core.request.set_cookie import SetCookie

logger = logging.getLogger("headrace.AsyncClient")

#: Hosts of which it is logged that a cookie of theirs was dropped.
_MOST_TOLD: Final = 16


class Cookies:
    """The `Cookie` field of each request: given ones, over them what servers set, over all what a call gives.

    Whoever spoke last about a cookie wins: a server may renew one that was given, and giving it anew takes it back.
    A jar needs a running loop, so there is none until a server sets a cookie.

    Attributes:
        jar: What servers have set, or `None`.
    """

    __slots__ = ("_given", "_source", "_state", "_told", "_written", "jar")

    def __init__(self) -> None:
        self.jar: aiohttp.CookieJar | None = None
        self._source: LiveMapping | None = None
        self._state = 0
        self._given: dict[Any, Any] = {}
        self._written = ""
        self._told: set[str | None] = set()

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
            headrace.errors.ValidationError: A cookie that was given is wrong; one that a server has set never is.
        """
        if self._state != given.state:
            self._note_changes(given)
        if call is None and self.jar is None and trusted:
            return self._written
        own: Mapping[Any, Any] = self._given if trusted else {}
        theirs: dict[str, str] = {}
        if self.jar is not None and url is not None:
            theirs = {name: morsel.value for name, morsel in self.jar.filter_cookies(url).items()}
            own = {name: value for name, value in own.items() if name not in theirs}
        if call is not None:
            given_now = encode.mapping(call, "cookies")
            theirs = {name: value for name, value in theirs.items() if name not in given_now}
            own = {**own, **given_now}
        # Two laws: names that are given are tokens, and what a server has named goes back as it is.
        written = [f"{name}={value}" for name, value in theirs.items()]
        return "; ".join([text for text in (encode.cookies(own),) if text] + written)

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
        """Store what an answer may set (RFC 6265bis, section 5.7), and drop what could not be sent back."""
        from http.cookies import CookieError

        import aiohttp  # which a thread has loaded

        from headrace._core.request import set_cookie

        jar = aiohttp.CookieJar(quote_cookie=False) if self.jar is None else self.jar
        kept = 0
        for field in response.headers.getall("Set-Cookie", []):
            cookie = set_cookie.read(field)
            if cookie is None:
                self._tell(url)
            elif set_cookie.may_set(cookie, url) and not set_cookie.would_hide(cookie, url, _secure(jar, cookie.name)):
                try:
                    jar.update_cookies([(cookie.name, _morsel(cookie))], url)
                except CookieError:  # of a path with a control character in it, where the library looks at it
                    self._tell(url)
                kept += 1
                if kept == set_cookie.MOST_COOKIES:
                    break
        self.jar = jar if len(jar) else None

    def _tell(self, url: URL) -> None:
        """Log once for a host that a cookie was dropped, without the cookie: a name may be a secret too."""
        host = url.raw_host
        if host not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(host)
            logger.warning("Dropped a cookie of %s that no Cookie field can carry back", host)


def _secure(jar: aiohttp.CookieJar, name: str) -> list[Morsel[str]]:
    """List the cookies of a name that go over TLS only."""
    return [morsel for morsel in jar if morsel.key == name and morsel["secure"]]


def _morsel(cookie: SetCookie) -> Morsel[str]:
    """Write a cookie as aiohttp's jar takes it."""
    from http.cookies import Morsel

    morsel: Morsel[str] = Morsel()
    # `Morsel.set` takes tokens only, and no name of an attribute, such as `path`; browsers take both.
    state = {"key": cookie.name, "value": cookie.value, "coded_value": cookie.value}
    morsel.__setstate__(state)  # type: ignore[attr-defined] # its protocol of pickling
    morsel["domain"] = cookie.domain
    morsel["path"] = cookie.path
    morsel["expires"] = cookie.expires
    morsel["max-age"] = "" if cookie.max_age is None else str(cookie.max_age)
    morsel["secure"] = "1" if cookie.secure else ""
    return morsel
