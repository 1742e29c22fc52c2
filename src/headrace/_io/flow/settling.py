"""What an answer still asks for before it is the caller's: redirects, other credentials, cookies to keep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from headrace._core.messages import Delivery, HeaderBlock, replaced
from headrace._core.request import redirect
from headrace._io import threads
from headrace.policies import IDEMPOTENCY_KEY, IDEMPOTENT_METHODS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Origin, Request, Response
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace.policies import Retry


class Settling:
    """Follows an answer until there is nothing left to do about it.

    Args:
        send: Sends a request, through all layers.
        defaults: The client's origins.
        cookies: The client's cookies.
        auth: The client's credentials.
        stats: Where to count.
        policy: When requests are repeated, or `None`; it may name the field of an idempotency key.
    """

    __slots__ = ("_auth", "_cookies", "_defaults", "_keys", "_send", "_stats")

    def __init__(
        self,
        send: Callable[[Request], Awaitable[Response]],
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache,
        stats: Stats,
        policy: Retry | None,
    ) -> None:
        self._send = send
        self._defaults = defaults
        self._cookies = cookies
        self._auth = auth
        self._stats = stats
        named = None if policy is None else policy.idempotency_key
        self._keys = frozenset({IDEMPOTENCY_KEY.lower(), (named or IDEMPOTENCY_KEY).lower()})

    async def settle(self, request: Request, response: Response) -> Response:
        """Follow an answer that is no success, or may set cookies.

        Args:
            request: The request that was sent first.
            response: Its answer.

        Returns:
            The last answer, whose `request` is what it answers.
        """
        delivery = request.delivery
        delivery.sent = True
        request = _answered(response, request)
        renewed = False
        at_home = True  # once a request has left its origin, credentials stay behind, even on the way back
        hops = 0
        while True:
            if response.has_cookies is not False and "Set-Cookie" in response.headers:
                await threads.load("aiohttp")  # whose jar keeps them
                self._cookies.receive(response, request.url)
            following: Request | None = None
            if response.status == 401:
                following = None if renewed else await self._auth.renewed(request)
                renewed = True
            elif response.status == 417 and "expect" in request.headers.names:
                following = _without_expectation(request)
            elif hops < redirect.MOST_REDIRECTS:
                hop = redirect.next_hop(request.method, request.url, response.status, response.headers.get("Location"))
                if hop is not None:
                    hops += 1
                    origin = self._defaults.origin_of(hop.url)
                    hop = hop._replace(crosses=hop.crosses and origin.text not in self._defaults.trusted)
                    at_home = at_home and not hop.crosses
                    following = self._redirected(
                        request, hop, origin, delivery.cookies if at_home else None, at_home=at_home
                    )
            if following is None:
                response.request = request
                return response
            request = delivery.last = _again(following, delivery)
            self._stats.attempts += 1
            try:
                response = await self._send(request)
            finally:
                delivery.attempts = request.delivery.attempts
            request = _answered(response, request)

    def _redirected(
        self, request: Request, hop: redirect.Hop, origin: Origin, cookies: Any, *, at_home: bool
    ) -> Request:
        credentials = request.headers.credentials
        pairs = redirect.fields_for(hop, request.headers.pairs, credentials, self._keys)
        trusted = at_home and self._defaults.trusts(origin)
        cookie = self._cookies.text(self._defaults.cookies, cookies, hop.url, trusted=trusted)
        if cookie:
            pairs.append(("Cookie", cookie))
        idempotent = request.idempotent or hop.method == "GET"
        if hop.crosses and not request.headers.names.isdisjoint(self._keys):  # its key has stayed behind
            idempotent = hop.method in IDEMPOTENT_METHODS
        return replaced(
            request,
            method=hop.method,
            origin=origin,
            target=redirect.target_for(hop, credentials),
            headers=HeaderBlock(pairs, credentials if at_home else None),
            body=request.body if hop.keeps_body else None,
            idempotent=idempotent,
        )


def _without_expectation(request: Request) -> Request:
    """Repeat a request whose `Expect` was refused without it (RFC 9110, section 15.5.18)."""
    pairs = [pair for pair in request.headers.pairs if pair[0].lower() != "expect"]
    return replaced(request, headers=HeaderBlock(pairs, request.headers.credentials))


def _answered(response: Response, request: Request) -> Request:
    """Find what a response answers: a transport may give the same one again, which still knows an earlier call's."""
    known = response.request
    return known if known is not None and known.way is request.way else request


def _again(request: Request, delivery: Delivery) -> Request:
    """Begin the way of a request that follows from an answer: none of its bytes is sent yet."""
    if delivery.spent is None:
        delivery.spent = {}
    way = Delivery(sink=delivery.sink, attempts=delivery.attempts, follows=True, spent=delivery.spent)
    return msgspec.structs.replace(request, way=way)
