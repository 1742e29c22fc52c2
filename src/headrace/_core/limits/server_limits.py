"""What a server says of its limits is read if it can be, else ignored; how many may start follows from it.

Read are `Retry-After` (RFC 9110, section 10.2.3), `RateLimit` and `RateLimit-Policy` in the forms that
draft-ietf-httpapi-ratelimit-headers has had, and the `X-RateLimit` fields that came before it. What cannot be read is
taken for absent; nothing here raises, and nothing asks for more than its reader allows.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from headrace._core.retries.retry_after import asked, server_time

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from multidict import CIMultiDictProxy

    from headrace._core.messages import Response

#: Seconds that a server may hold a limiter with one answer, unless it is told otherwise. A request then asks again.
MOST_SECONDS: Final = 3600.0
#: The statuses whose `Retry-After` holds an origin: 429 (RFC 6585, section 4) and 503 (RFC 9110, section 15.6.4).
REFUSALS: Final = frozenset({429, 503})

#: Quotas of one server that are kept apart, and characters of a field that are read.
_MOST_QUOTAS: Final = 8
_MOST_TEXT: Final = 2048
#: From here on a number is a moment and no duration: 1e9 s is September 2001, and 1e11 ms March 1973.
_EPOCH: Final = 1e9
_EPOCH_IN_MILLISECONDS: Final = 1e11

_NUMBER: Final = r"[0-9]{1,16}(?:\.[0-9]{1,9})?"
# No character can begin two of these: what is read in two ways takes twice as long for each time that it occurs.
_VALUE = r'"(?:[^"\\]|\\.)*"|:[A-Za-z0-9+/=]*:|[^\s;,":][^\s;,"]*'
#: A member of a structured list (RFC 9651, section 3.1): a string or token, and its parameters.
_MEMBER: Final = (
    r'[ \t]*(?P<name>"(?:[^"\\]|\\.)*"|[A-Za-z*][^\s;,="]*)'
    rf"(?P<parameters>(?:[ \t]*;[ \t]*[a-z*][a-z0-9_.*-]*(?:=(?:{_VALUE})?)?)*)[ \t]*(?:,|$)"
)
_PARAMETER: Final = rf";[ \t]*([a-z*][a-z0-9_.*-]*)(?:=({_VALUE})?)?"
_PAIRS: Final = frozenset({"limit", "remaining", "reset"})


class Told(NamedTuple):
    """What one answer says of one quota.

    Attributes:
        name: Which quota, where a server has several.
        remaining: Requests that it still allows.
        reset: Seconds until it allows more.
        limit: Requests that it allows in a window; `None` where the server does not say.
        window: Seconds that its window is long; `None` where the server does not say.
    """

    name: str
    remaining: int
    reset: float
    limit: int | None = None
    window: float | None = None


class Mark(NamedTuple):
    """When a request was sent, among the others of its limiter.

    Attributes:
        serial: Requests sent up to and with this one.
        answered: Requests whose answers had come by then.
    """

    serial: int
    answered: int


def refused_for(response: Response, now: datetime, most: float = MOST_SECONDS) -> float:
    """Compute how long an answer asks everybody to stay away.

    Args:
        response: The answer.
        now: Our time, with its zone.
        most: Seconds that are listened to at most.

    Returns:
        Seconds; 0 where nothing is asked for.
    """
    seconds = asked(response, now) if response.status in REFUSALS else None
    return 0.0 if seconds is None else min(seconds, most)


def read(headers: CIMultiDictProxy[str], now: datetime, most: float = MOST_SECONDS) -> list[Told]:
    """Read what an answer says of the quotas of its server.

    A quota counts where both numbers can be read: how many are left, and until when.

    Args:
        headers: The fields of the answer.
        now: Our time, with its zone; what the server gives as a moment is measured against its own `Date` instead.
        most: Seconds until a reset that are listened to at most.
    """
    there = [name for name in headers if name[:1] in "rRxX" and "rate" in name.lower()]
    if not there:
        return []
    clock = server_time(headers, now).timestamp()
    policies = dict(_members(_text(headers, "RateLimit-Policy")))
    found = _structured(_text(headers, "RateLimit"), policies, clock)
    for prefix in ("RateLimit", "X-RateLimit", "X-Rate-Limit"):
        remaining = _number(_text(headers, f"{prefix}-Remaining"))
        reset = _seconds(_text(headers, f"{prefix}-Reset-After"), clock)
        if reset is None:
            reset = _seconds(_text(headers, f"{prefix}-Reset"), clock)
        if remaining is not None and reset is not None:
            # Up to draft 06, policies stood behind the limit: `100, 100;w=60`.
            limit = _text(headers, f"{prefix}-Limit").partition(",")[0].partition(";")[0]
            found.append(Told(prefix, int(remaining), reset, _count(limit)))
    return [
        one._replace(reset=min(one.reset, most), window=None if one.window is None else min(one.window, most))
        for one in found
    ]


def _text(headers: CIMultiDictProxy[str], name: str) -> str:
    return ", ".join(headers.getall(name, ()))[:_MOST_TEXT]


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if re.fullmatch(_NUMBER, text) else None


def _seconds(text: str, clock: float) -> float | None:
    """Read when a quota is refilled: a duration in seconds, or a moment since 1970 in seconds or milliseconds."""
    number = _number(text)
    if number is None:
        return None
    if number >= _EPOCH_IN_MILLISECONDS:
        number /= 1000
    if number >= _EPOCH:
        number -= clock
    return max(0.0, number)


def _members(text: str) -> Iterable[tuple[str, dict[str, str]]]:
    """Read the members of a structured list, up to the first that is none."""
    position, match_at = 0, re.compile(_MEMBER).match
    while position < len(text) and (member := match_at(text, position)):
        position = member.end()
        yield member["name"].strip('"'), dict(re.findall(_PARAMETER, member["parameters"]))


def _count(text: str) -> int | None:
    """Read how many requests a window holds; none at all would be no limit but a closed door."""
    return int(_number(text) or 0) or None


def _structured(text: str, policies: dict[str, dict[str, str]], clock: float) -> list[Told]:
    """Read a `RateLimit` field: a list of quotas, or the dictionary of one that drafts 03 to 07 had."""
    parts = [part.partition(";")[0].strip(" \t").partition("=") for part in text.split(",")]
    pairs = {name: value for name, _, value in parts if name in _PAIRS}
    if "remaining" in pairs:
        remaining, reset = _number(pairs["remaining"]), _seconds(pairs.get("reset", ""), clock)
        limit = _count(pairs.get("limit", ""))
        return [] if remaining is None or reset is None else [Told("", int(remaining), reset, limit)]
    found = []
    for name, parameters in _members(text):
        policy = policies.get(name, {})
        if policy.get("qu", '"requests"').strip('"') != "requests":  # a quota of bytes, or of something else
            continue
        remaining, window = _number(parameters.get("r", "")), _seconds(policy.get("w", ""), clock)
        # Where there is no time, the window ends no later than its own length from now.
        reset = _seconds(parameters["t"], clock) if "t" in parameters else window
        if remaining is not None and reset is not None:
            found.append(Told(name, int(remaining), reset, _count(policy.get("q", "")), window))
    return found


class _Quota:
    """One quota of the server's, as far as it is known."""

    __slots__ = ("left", "limit", "lowest", "serial", "span", "until")

    def __init__(self, told: Told) -> None:
        self.left = 0  # starts that are certain to be within it
        self.lowest = told.remaining  # what remains once every request that was sent is answered
        self.until = 0.0  # when it is refilled
        self.serial = 0  # of the request whose answer said so
        self.limit = told.limit
        self.span = 0.0  # the longest time to a refill that the server has named: its window, as far as it is known


class Follower:
    """How many may start so that a server never has to refuse: what its answers say, less what they cannot know yet.

    A request that is on its way may have been counted in the `remaining` of an answer, or not. Only requests that were
    answered before the one behind an answer was sent have certainly been counted in it. All others are taken off.
    """

    __slots__ = ("_answered", "_quotas", "_sent")

    def __init__(self) -> None:
        self._sent = 0
        self._answered = 0
        self._quotas: dict[str, _Quota] = {}

    def sent(self) -> Mark:
        """Note that a request is sent.

        Returns:
            What `heard` needs to judge its answer.
        """
        self._sent += 1
        return Mark(self._sent, self._answered)

    def started(self, weight: int) -> None:
        """Take starts off what is left.

        Args:
            weight: How many.
        """
        for quota in self._quotas.values():
            quota.left -= weight

    def heard(self, mark: Mark, told: Iterable[Told], now: float) -> None:
        """Note the end of a request, and what its answer says.

        Args:
            mark: What `sent` returned.
            told: What its answer says; nothing where none came.
            now: The moment on the limiter's clock, in seconds.
        """
        self._answered += 1
        self._refill(now)
        for quota in self._quotas.values():
            quota.lowest -= 1  # counted by the server without a word, as far as anybody knows
        uncounted = self._sent - mark.answered - 1
        for one in told:
            self._learn(one, mark.serial, uncounted, now)
        if self._sent == self._answered:
            # Nothing is under way: the server has counted everything, and the least that it said is what there is.
            for quota in self._quotas.values():
                quota.left = max(quota.left, quota.lowest)

    def _learn(self, told: Told, serial: int, uncounted: int, now: float) -> None:
        quota = self._quotas.get(told.name)
        if quota is None:
            if told.reset <= 0 or len(self._quotas) >= _MOST_QUOTAS:
                return
            quota = self._quotas[told.name] = _Quota(told)
        else:
            quota.lowest = min(quota.lowest + 1, told.remaining)
        quota.limit = told.limit or quota.limit
        quota.span = max(quota.span, told.reset, told.window or 0.0)
        left, until = told.remaining - uncounted, now + told.reset
        if serial > quota.serial:
            quota.left, quota.until, quota.serial = left, until, serial
        else:  # an older request, answered later
            quota.left = min(quota.left, left)
            quota.until = max(quota.until, until)

    def _refill(self, now: float) -> None:
        """Begin the next window of each quota whose time has come: its limit, where that is known."""
        ended = [name for name, quota in self._quotas.items() if quota.until <= now]
        for name in ended:
            quota = self._quotas[name]
            if quota.limit is None:
                del self._quotas[name]
            else:
                # What is under way may be counted in the old window or in the new one.
                quota.left = quota.limit - (self._sent - self._answered)
                quota.lowest = quota.limit
                quota.until = now + quota.span

    def due(self, now: float, weight: int, granted: int = 0) -> float:
        """Compute from which moment on so many more may start.

        Args:
            now: The moment on the limiter's clock, in seconds.
            weight: Starts, made at once.
            granted: Starts that were allowed before and are not made yet.

        Returns:
            A moment on that clock; minus infinity for at once.
        """
        self._refill(now)
        due = -math.inf
        for quota in self._quotas.values():
            # What is heavier than the quota itself would wait for ever: it gets what there can be.
            if quota.left - granted < min(weight, quota.limit or weight):
                due = max(due, quota.until)
        return due

    def empty_at(self) -> float:
        """Compute from which moment on nothing that it knows holds anybody back, when no request is under way."""
        return max((quota.until for quota in self._quotas.values()), default=-math.inf)
