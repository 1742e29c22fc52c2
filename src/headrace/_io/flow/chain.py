"""The way of a request between the client and its transport lives here: admission, retries, redirects, a renewed token.

None of it runs for a request that is answered at once with a success, but for the limiter's own question where there
is one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from headrace._core.messages import HeaderBlock, Request
from headrace._core.request import redirect
from headrace._io.closing import Closing
from headrace._io.deadline import Deadlines
from headrace._io.flow.admission import Admission
from headrace._io.flow.circuits import Circuits
from headrace._io.flow.retrying import AttemptTimeout, Retrying
from headrace.policies import IDEMPOTENCY_KEY, IDEMPOTENT_METHODS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.messages import Origin, Response
    from headrace._core.request.prepare import Defaults
    from headrace._core.stats import Stats
    from headrace._io.flow.cookies import Cookies
    from headrace._io.flow.credential_cache import CredentialCache
    from headrace.policies import CircuitBreaker, Retry
    from headrace.types import Limiter, Transport


class Flow:
    """Sends requests as a client's settings say.

    Args:
        transport: Where attempts go.
        limiter: What admits them, or `None`.
        policy: When they are repeated, or `None`.
        defaults: The client's origins.
        cookies: The client's cookies.
        auth: The client's credentials.
        stats: Where to count.
        breaker: When an origin is not asked at all, or `None`.
    """

    __slots__ = (
        "_auth",
        "_closing",
        "_cookies",
        "_defaults",
        "_keys",
        "_resend",
        "_retrying",
        "_stats",
        "send",
    )

    def __init__(
        self,
        transport: Transport,
        limiter: Limiter | None,
        policy: Retry | None,
        defaults: Defaults,
        cookies: Cookies,
        auth: CredentialCache,
        stats: Stats,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        auth.transport = transport
        counts = getattr(transport, "counts_starts", False)
        if not getattr(transport, "marks_sent", False):
            transport = _Unmarked(transport)
        deadlines = Deadlines(asyncio.get_running_loop())
        if policy is not None and policy.attempt_timeout is not None:
            transport = AttemptTimeout(transport, policy.attempt_timeout, deadlines)
        circuits = None
        if breaker is not None:
            transport = circuits = Circuits(breaker, transport)
        self._defaults = defaults
        self._cookies = cookies
        self._auth = auth
        self._stats = stats
        self._closing = Closing()
        # Chosen once, so that a feature that is off leaves no code on the path.
        self.send: Callable[[Request], Awaitable[Response]] = transport.send
        if limiter is not None:
            home = defaults.origin
            self.send = Admission(limiter, home, transport.send, self._closing, stats, counts_starts=counts).send
        if circuits is not None:
            self.send = circuits.ahead_of(self.send)
        self._resend = self.send
        self._retrying: Retrying | None = None
        self._keys = frozenset({IDEMPOTENCY_KEY.lower()})
        if policy is not None:
            self._retrying = Retrying(policy, self.send, circuits, stats, deadlines)
            self.send, self._resend = self._retrying.send, self._retrying.resend
            self._keys |= {(policy.idempotency_key or IDEMPOTENCY_KEY).lower()}

    def close(self) -> None:
        """Fail whatever waits for the limiter, for credentials, or for its next attempt."""
        self._auth.close()
        self._closing.close()
        if self._retrying is not None:
            self._retrying.close()

    async def settle(self, request: Request, response: Response, call_cookies: Any) -> tuple[Request, Response]:
        """Follow an answer until there is nothing left to do about it.

        Args:
            request: The request that was answered.
            response: A response that may set cookies, or is no success.
            call_cookies: The cookies of the call; they stay with the first origin.

        Returns:
            The last request and its response.
        """
        request.sent = True
        renewed = False
        at_home = True  # once a request has left its origin, credentials stay behind, even on the way back
        hops = 0
        while True:
            if response.has_cookies is not False and "Set-Cookie" in response.headers:
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
                        request, hop, origin, call_cookies if at_home else None, at_home=at_home
                    )
            if following is None:
                return request, response
            request = following
            self._stats.attempts += 1
            response = await self._resend(request)

    def _redirected(
        self, request: Request, hop: redirect.Hop, origin: Origin, cookies: Any, *, at_home: bool
    ) -> Request:
        credentials = request.headers.credentials
        pairs = redirect.fields_for(hop, request.headers.pairs, credentials, self._keys)
        trusted = at_home and self._defaults.trusts(origin)
        cookie = self._cookies.text(self._defaults.cookies, cookies, hop.url, trusted=trusted)
        if cookie:
            pairs.append(("Cookie", cookie))
        target = redirect.target_for(hop, credentials)
        headers = HeaderBlock(pairs, credentials if at_home else None)
        following = _again(request, hop.method, target, headers, origin=origin, keeps_body=hop.keeps_body)
        if hop.crosses and not request.headers.names.isdisjoint(self._keys):  # its key has stayed behind
            following.idempotent = hop.method in IDEMPOTENT_METHODS
        return following


def _without_expectation(request: Request) -> Request:
    """Repeat a request whose `Expect` was refused without it (RFC 9110, section 15.5.18)."""
    pairs = [pair for pair in request.headers.pairs if pair[0].lower() != "expect"]
    return _again(request, request.method, request.target, HeaderBlock(pairs, request.headers.credentials))


def _again(
    request: Request, method: str, target: str, headers: HeaderBlock, *, origin: Any = None, keeps_body: bool = True
) -> Request:
    """Copy a request with another head."""
    return Request(
        method,
        origin or request.origin,
        target,
        headers,
        request.body if keeps_body else None,
        request.timeout,
        request.max_response_bytes,
        request.idempotent or method == "GET",
        request.attempts,
        sink=request.sink,
    )


class _Unmarked:
    """A Transport that does not tell when it begins to send: a request may have been sent as soon as it was asked."""

    __slots__ = ("_transport",)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: Request, /) -> Response:
        """Send one request and receive its response; see `headrace.types.Transport`."""
        request.sent = True
        return await self._transport.send(request)

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()
