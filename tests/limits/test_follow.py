"""What a server says of its limits, read and followed: pure functions, and a model of a server."""

from __future__ import annotations

import datetime as dt
import math
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from headrace._core.limits.server_limits import MOST_SECONDS, Follower, Mark, Told, read, refused_for
from headrace._core.messages import Response
from headrace._io.limits.rate import RateLimiter

NOW = dt.datetime(2026, 5, 1, 12, tzinfo=dt.UTC)
EPOCH = int(NOW.timestamp())


def fields(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    """Make the fields of an answer."""
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("30", 30),
        ("0.25", 0.25),
        (str(EPOCH + 30), 30),
        (f"{EPOCH + 30}.5", 30.5),
        (str((EPOCH + 30) * 1000), 30),
        (str(EPOCH - 30), 0),
        ("1000000000", 0),  # a moment of 2001
        ("999999999", MOST_SECONDS),
        ("86400", MOST_SECONDS),
        (str(EPOCH + 86400), MOST_SECONDS),
        (str(10**15), MOST_SECONDS),
    ],
)
@pytest.mark.parametrize("prefix", ["X-RateLimit", "X-Rate-Limit", "x-ratelimit", "RateLimit"])
def test_reset_is_a_duration_or_a_moment(prefix: str, reset: str, seconds: float) -> None:
    """Small numbers are seconds from now, large ones seconds or milliseconds since 1970."""
    answer = fields((f"{prefix}-Limit", "100"), (f"{prefix}-Remaining", "7"), (f"{prefix}-Reset", reset))
    (found,) = read(answer, NOW)
    assert (found.remaining, found.limit) == (7, 100)
    assert found.reset == pytest.approx(seconds)


def test_the_servers_clock_measures_the_servers_moments() -> None:
    """A moment is compared with the answer's own `Date`, unless that is so far off that it is no clock."""
    for ahead, seconds in ((90, 30), (-90, 30), (-86400, 120)):
        date = format_datetime(NOW + dt.timedelta(seconds=ahead), usegmt=True)
        moment = EPOCH + (ahead + 30 if abs(ahead) < 3600 else 120)
        answer = fields(("Date", date), ("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(moment)))
        assert read(answer, NOW) == [Told("X-RateLimit", 0, seconds)]


@pytest.mark.parametrize(
    ("field", "policy", "expected"),
    [
        ('"default";r=50;t=30', '"default";q=100;w=60', [Told("default", 50, 30, 100, 60)]),
        ('"default";r=50;t=30', "", [Told("default", 50, 30)]),
        ('"default";r=50', '"default";q=100;w=60', [Told("default", 50, 60, 100, 60)]),
        ('"default";r=50', "", []),
        ('"default";t=30', '"default";q=100;w=60', []),
        ("default; r=50; t=30", "", [Told("default", 50, 30)]),
        (
            '"burst";r=5;t=1, "daily";r=70;t=900',
            '"burst";q=10;w=1,"daily";q=100;w=86400',
            [Told("burst", 5, 1, 10, 1), Told("daily", 70, 900, 100, MOST_SECONDS)],
        ),
        ('"a\\", b";r=1;t=2;pk=:dHJpYWw=:', "", [Told('a\\", b', 1, 2)]),
        ('"bytes";r=5;t=1, "calls";r=3;t=4', '"bytes";q=9;qu="content-bytes";w=1', [Told("calls", 3, 4)]),
        ('"calls";r=3;t=4', '"calls";q=9;qu="requests"', [Told("calls", 3, 4, 9)]),
        ("limit=100, remaining=50, reset=30", "", [Told("", 50, 30, 100)]),
        ("remaining=50,reset=30", "", [Told("", 50, 30)]),
        ("remaining=50", "", []),
        ("50", "", []),
        ('"default";r=-1;t=30', "", []),
        ('"default";r=x;t=30', "", []),
        ("remaining=x, reset=30", "", []),
        ("limit=100;w=60, remaining=50 ;x, reset=30 ", "", [Told("", 50, 30, 100)]),
        ("a;r=1;t=2;x=;y=:Zg==:;z=a:b", "", [Told("a", 1, 2)]),
        ("a" + ";a=::" * 400 + '"', "", []),
        ('"' + "\\" * 2000, "", []),
        ('a;r="' + '";r="' * 400, "", []),
    ],
)
def test_structured_fields(field: str, policy: str, expected: list[Told]) -> None:
    """`RateLimit` is a list of quotas, or the dictionary that it once was; the policy fills in what it leaves out."""
    assert read(fields(("RateLimit", field), ("RateLimit-Policy", policy)), NOW) == expected


def test_fields_may_be_repeated_and_mixed() -> None:
    """A list may come in several fields, and an older triple beside it is a quota of its own."""
    answer = fields(
        ("RateLimit", '"a";r=1;t=2'),
        ("ratelimit", '"b";r=3;t=4'),
        ("X-RateLimit-Remaining", "5"),
        ("X-RateLimit-Reset-After", "6"),
        ("RateLimit-Remaining", "7"),
        ("RateLimit-Reset", "8"),
        ("RateLimit-Limit", "100, 100;w=60"),
    )
    quotas = [Told("a", 1, 2), Told("b", 3, 4), Told("RateLimit", 7, 8, 100), Told("X-RateLimit", 5, 6)]
    assert read(answer, NOW) == quotas


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "7", 7),
        (503, "7", 7),
        (500, "7", 0),
        (200, "7", 0),
        (429, format_datetime(NOW + dt.timedelta(seconds=90), usegmt=True), 90),
        (429, format_datetime(NOW - dt.timedelta(seconds=90), usegmt=True), 0),
        (429, "999999999", MOST_SECONDS),
        (429, "soon", 0),
        (429, "-5", 0),
        (429, "", 0),
        (429, "9" * 400, MOST_SECONDS),
    ],
)
def test_a_refusal_names_seconds_or_a_date(status: int, value: str, seconds: float) -> None:
    """429 and 503 hold everybody for as long as `Retry-After` says, an hour at most."""
    assert refused_for(Response(status, fields(("Retry-After", value))), NOW) == seconds


JUNK = st.text(max_size=60) | st.text('0123456789.-+;,="\\: rtqwpk', max_size=60)


FIELDS = "RateLimit RateLimit-Policy RateLimit-Remaining RateLimit-Reset X-RateLimit-Remaining X-RateLimit-Reset Date"


@settings(max_examples=200)
@given(
    pairs=st.lists(st.tuples(st.sampled_from([*FIELDS.split(), "X-RateLimit-Limit", "Retry-After"]), JUNK), max_size=8),
    status=st.sampled_from([200, 429, 503]),
)
def test_junk_never_raises_and_never_holds_for_ever(pairs: list[tuple[str, str]], status: int) -> None:
    """Whatever stands in the fields: there are numbers or nothing, and after an hour a request may start again."""
    answer = fields(*pairs)
    assert 0 <= refused_for(Response(status, answer), NOW) <= MOST_SECONDS
    now = [0.0]
    limiter = RateLimiter(5, follow=True, clock=lambda: now[0])
    assert limiter.try_acquire()
    limiter.heard(limiter.sent(), read(answer, NOW))
    for _ in range(3):
        now[0] += MOST_SECONDS
        assert limiter.try_acquire()


@given(st.lists(st.tuples(st.integers(0, 10**16), st.floats(0, MOST_SECONDS), st.integers(1, 99) | st.none())))
def test_numbers_of_any_size_hold_for_an_hour_at_most(answers: list[tuple[int, float, int | None]]) -> None:
    """A quota that is empty is waited for, and then a request may ask again."""
    follower = Follower()
    for number, (remaining, reset, limit) in enumerate(answers):
        follower.heard(follower.sent(), [Told(str(number % 12), remaining, reset, limit)], 0.0)
    assert follower.due(MOST_SECONDS, 1) == -math.inf


def test_an_empty_quota_is_waited_for() -> None:
    """At `remaining=0` nobody starts before the reset; behind it the limit counts, where it was named."""
    follower = Follower()
    mark = follower.sent()
    assert follower.due(0.0, 1) == -math.inf
    follower.heard(mark, [Told("", 0, 5.0, 3)], 10.0)
    assert follower.due(10.0, 1) == 15.0
    assert follower.due(14.9, 1) == 15.0
    assert follower.due(15.0, 3) == -math.inf
    follower.started(3)
    assert follower.due(15.0, 1) == 20.0
    assert follower.empty_at() == 20.0


def test_what_is_on_its_way_is_taken_off() -> None:
    """Of 10 that remain, 4 that were sent meanwhile may not be counted yet: 6 are certain, and all once they are."""
    follower = Follower()
    first = follower.sent()
    others = [follower.sent() for _ in range(4)]
    follower.heard(first, [Told("", 10, 60.0)], 0.0)
    assert follower.due(0.0, 6) == -math.inf
    assert follower.due(0.0, 7) == 60.0
    for left, mark in zip((9, 8, 7, 6), others, strict=True):
        follower.heard(mark, [Told("", left, 60.0)], 0.0)
    assert follower.due(0.0, 6) == -math.inf
    assert follower.due(0.0, 7) == 60.0


def test_answers_that_pass_each_other_promise_no_more_than_there_is() -> None:
    """The later request was counted first, and its answer comes last: what it says remains has gone by then."""
    follower = Follower()
    follower.heard(follower.sent(), [Told("", 2, 60.0)], 0.0)
    follower.started(2)
    earlier, later = follower.sent(), follower.sent()
    follower.heard(earlier, [Told("", 0, 60.0)], 0.0)
    follower.heard(later, [Told("", 1, 60.0)], 0.0)
    assert follower.due(0.0, 1) == 60.0


def test_a_request_that_ends_without_an_answer_may_have_been_counted() -> None:
    """A connection that was lost takes one off what remains, to be safe."""
    follower = Follower()
    follower.heard(follower.sent(), [Told("", 2, 60.0)], 0.0)
    lost = follower.sent()
    follower.started(1)
    follower.heard(lost, [], 0.0)
    assert follower.due(0.0, 1) == -math.inf
    assert follower.due(0.0, 2) == 60.0


def test_what_is_heavier_than_the_quota_does_not_wait_for_ever() -> None:
    """A weight above the server's own limit starts when the quota is whole."""
    follower = Follower()
    follower.heard(follower.sent(), [Told("", 1, 5.0, 2)], 0.0)
    assert follower.due(0.0, 3) == 5.0
    assert follower.due(5.0, 3) == -math.inf


def test_a_quota_that_is_refilled_at_once_holds_nobody() -> None:
    """A window that has ended as it is told of says nothing of the next one."""
    follower = Follower()
    follower.heard(follower.sent(), [Told("", 0, 0.0, 1, 60.0)], 0.0)
    for _ in range(3):
        assert follower.due(0.0, 1) == -math.inf
        follower.started(1)


def test_quotas_are_bounded() -> None:
    """A server that makes up names has no more than a few of them remembered."""
    follower = Follower()
    for number in range(100):
        follower.heard(follower.sent(), [Told(str(number), 0, 60.0)], 0.0)
    assert len(follower._quotas) == 8


class Server:
    """A server with so many requests in each window of a second, and the requests that are under way to and from it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.now = 0.0
        self.counts: dict[int, int] = {}
        self.refused = 0
        self.coming: list[Mark] = []
        self.going: list[tuple[Mark, Told]] = []

    def process(self, index: int) -> None:
        """Count a request, in whatever order they come in."""
        mark = self.coming.pop(index % len(self.coming))
        window = math.floor(self.now)
        self.counts[window] = count = self.counts.get(window, 0) + 1
        self.refused += count > self.limit
        left = max(0, self.limit - count)
        self.going.append((mark, Told("", left, window + 1 - self.now, self.limit)))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "process", "process", "deliver", "deliver", "wait"]), st.integers(0, 20)
    ),
    max_size=120,
)


@settings(max_examples=300)
@given(limit=st.integers(1, 8), steps=STEPS)
def test_a_server_never_has_to_refuse(limit: int, steps: list[tuple[str, int]]) -> None:
    """Once it is known: however requests and answers pass each other on their way, none is above the server's limit."""
    server, follower = Server(limit), Follower()
    server.coming.append(follower.sent())
    server.process(0)
    mark, first = server.going.pop()
    follower.heard(mark, [first], server.now)
    for kind, amount in steps:
        if kind == "send" and follower.due(server.now, 1) <= server.now:
            follower.started(1)
            server.coming.append(follower.sent())
        elif kind == "process" and server.coming:
            server.process(amount)
        elif kind == "deliver" and server.going:
            mark, answer = server.going.pop(amount % len(server.going))
            follower.heard(mark, [answer], server.now)
        elif kind == "wait":
            server.now += amount / 16
    assert server.refused == 0


@settings(max_examples=100)
@given(limit=st.integers(1, 50), at_once=st.integers(1, 60))
def test_all_that_the_server_allows_is_used(limit: int, at_once: int) -> None:
    """With so many in flight at once, every window is used up in the end, and nothing is refused."""
    server, follower = Server(limit), Follower()
    server.coming.append(follower.sent())
    server.process(0)
    for step in range(3):
        server.now = float(step)
        for _ in range(2 * limit + 2):
            for mark, answer in server.going:
                follower.heard(mark, [answer], server.now)
            server.going.clear()
            while len(server.coming) < at_once and follower.due(server.now, 1) <= server.now:
                follower.started(1)
                server.coming.append(follower.sent())
            while server.coming:
                server.process(0)
    assert server.refused == 0
    assert list(server.counts.values()) == [limit] * 3
