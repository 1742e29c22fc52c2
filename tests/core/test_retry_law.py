"""The law of retries, budgets and circuits: pure functions and objects over passed-in clock and chance."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace import CircuitBreaker, Retry, RetryBudget
from headrace._core.retries import retry
from headrace._core.retries.breaker import MOST_CIRCUITS, Breaker, Breakers, State
from headrace._core.retries.budget import Budget
from headrace._core.retries.sliding_count import Tally
from headrace.errors import (
    CircuitOpen,
    ConnectError,
    ConnectionLost,
    PoolTimeout,
    ProtocolError,
    RequestTimeout,
    ResponseTooLarge,
    TransportError,
    UploadError,
    ValidationError,
)
from headrace.policies import IDEMPOTENT_METHODS

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]
PASSING = {408, 425, 429, 500, 502, 503, 504}
ORIGIN = "https://api.example.com"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("attempts", 0),
        ("attempts", 1.5),
        ("statuses", 503),
        ("statuses", ["503"]),
        ("methods", "GET"),
        ("methods", [1]),
        ("backoff", 0),
        ("backoff", math.nan),
        ("max_backoff", -1),
        ("deadline", 0),
        ("deadline", "5"),
        ("attempt_timeout", math.inf),
        ("budget", 0),
        ("budget", 1.1),
        ("budget", True),
        ("budget", "10%"),
        ("idempotency_key", 1),
        ("idempotency_key", ""),
        ("idempotency_key", "X Key"),
        ("idempotency_key", "X-Key\r\nX-Other"),
        ("retry_stale_posts", 1),
    ],
)
def test_a_wrong_value_of_a_retry_is_named(setting: str, value: Any) -> None:
    """Every field of a `Retry` is checked, and its error names it."""
    with pytest.raises(ValidationError, match=f"{setting}: .*takes"):
        Retry(**{setting: value})


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [
        (RetryBudget, "ratio", 0),
        (RetryBudget, "ratio", 1.5),
        (RetryBudget, "reserve", -1),
        (RetryBudget, "reserve", 0.5),
        (RetryBudget, "window", 0),
        (CircuitBreaker, "failure_ratio", 0),
        (CircuitBreaker, "failure_ratio", 2),
        (CircuitBreaker, "minimum", 0),
        (CircuitBreaker, "window", "1"),
        (CircuitBreaker, "open_for", 0),
        (CircuitBreaker, "statuses", 500),
    ],
)
def test_a_wrong_value_of_a_budget_or_breaker_is_named(kind: Any, setting: str, value: Any) -> None:
    """So is every field of the other policies."""
    with pytest.raises(ValidationError, match=f"{setting}: .*takes"):
        kind(**{setting: value})


def test_the_defaults_are_sensible() -> None:
    """`Retry()` repeats what is safe, three times in all, within a budget of a tenth, and adds no key."""
    policy = Retry()
    assert (policy.attempts, policy.statuses, policy.methods) == (3, PASSING, IDEMPOTENT_METHODS)
    assert policy.budget == RetryBudget(ratio=0.1, reserve=10, window=10.0)
    assert (policy.deadline, policy.attempt_timeout, policy.idempotency_key) == (None, None, None)
    assert Retry(budget=0.2).budget == RetryBudget(ratio=0.2)
    assert Retry(idempotency_key=True).idempotency_key == "Idempotency-Key"
    assert Retry(idempotency_key=False).idempotency_key is None
    assert Retry(idempotency_key="X-Request-Id").idempotency_key == "X-Request-Id"


@pytest.mark.parametrize("method", METHODS)
def test_which_requests_may_be_repeated(method: str) -> None:
    """Idempotent methods may be, others with a key; a policy of one's own replaces the methods, in any case."""
    assert retry.is_repeatable(Retry(), method, {"accept"}) is (method in IDEMPOTENT_METHODS)
    assert retry.is_repeatable(Retry(), method, {"accept", "idempotency-key"})
    assert retry.is_repeatable(Retry(idempotency_key="X-Key"), method, {"x-key"})
    assert retry.is_repeatable(Retry(idempotency_key="X-Key"), method, {"accept"}) is (method in IDEMPOTENT_METHODS)
    assert retry.is_repeatable(Retry(methods={"post"}), method, ()) is (method == "POST")


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 408, 409, 425, 429, 500, 501, 502, 503, 504, 505])
@pytest.mark.parametrize("repeatable", [True, False])
def test_which_answers_are_retried(status: int, repeatable: bool) -> None:
    """What may be repeated is, at the statuses that pass, and as often as the policy says."""
    policy = Retry(attempts=3)
    allowed = status in PASSING and repeatable
    verdicts = [retry.may_retry_status(policy, status, attempt, repeatable=repeatable) for attempt in (1, 2, 3, 4)]
    assert verdicts == [allowed, allowed, False, False]
    assert retry.may_retry_status(Retry(statuses={status}), status, 1, repeatable=repeatable) is repeatable


@pytest.mark.parametrize("error", [ConnectError, ConnectionLost, RequestTimeout, PoolTimeout, TransportError])
@pytest.mark.parametrize("maybe_sent", [False, True])
def test_which_errors_are_retried(error: type[TransportError], maybe_sent: bool) -> None:
    """What never left may always be repeated, what may have arrived only if that is safe."""
    policy = Retry(attempts=2)
    raised = error("x", maybe_sent=maybe_sent)
    assert retry.may_retry_error(policy, raised, 1, repeatable=True)
    assert retry.may_retry_error(policy, raised, 1, repeatable=False) is not maybe_sent
    assert not retry.may_retry_error(policy, raised, 2, repeatable=True)


@pytest.mark.parametrize("error", [ProtocolError, ResponseTooLarge, UploadError, CircuitOpen])
def test_errors_that_would_come_again_are_not_retried(error: type[TransportError]) -> None:
    """A second attempt would only meet the same."""
    assert not retry.may_retry_error(Retry(attempts=9), error("x", maybe_sent=False), 1, repeatable=True)


def test_backoff_grows_up_to_its_maximum() -> None:
    """Each wait is drawn between the first one and three times the one before, until the longest."""
    policy = Retry(backoff=0.5, max_backoff=10)
    longest = list(itertools.accumulate(range(5), lambda wait, _: retry.backoff(policy, wait, 1.0), initial=0.5))
    assert longest == [0.5, 1.5, 4.5, 10, 10, 10]
    assert retry.backoff(policy, 4.5, 0.0) == 0.5
    assert retry.backoff(policy, 1.5, 0.5) == 2.5
    assert retry.backoff(Retry(backoff=5, max_backoff=1), 5, 1.0) == 1


@settings(max_examples=300)
@given(
    chances=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    asked=st.none() | st.floats(0, 1e18),
    base=st.floats(0.001, 100),
    longest=st.floats(0.001, 1000),
)
@example(chances=[0.5, 0.5, 1.0], asked=None, base=0.001, longest=1.0)  # rounding once lifted it above its most
def test_a_wait_has_its_bounds(chances: list[float], asked: float | None, base: float, longest: float) -> None:
    """A wait is no shorter than backoff and server ask for, and no longer than the longest nor thrice the last."""
    policy = Retry(backoff=base, max_backoff=longest)
    drawn = base
    for chance in chances:
        previous, drawn = drawn, retry.backoff(policy, drawn, chance)
        assert min(base, longest) <= drawn <= min(longest, max(base, previous * 3))
        wait = retry.delay(policy, drawn, asked)
        assert wait == (drawn if asked is None else min(longest, max(asked, drawn)))


@settings(max_examples=200)
@given(
    deadline=st.none() | st.floats(0.001, 100),
    total=st.none() | st.floats(0.001, 100),
    elapsed=st.floats(0, 100),
    pause=st.floats(0, 100),
)
def test_no_wait_ends_too_late(deadline: float | None, total: float | None, elapsed: float, pause: float) -> None:
    """A wait that is begun ends before the deadline of the policy and before the time of the request."""
    ends = [end for end in (deadline, total) if end is not None]
    in_time = retry.is_in_time(Retry(deadline=deadline), total, elapsed, pause)
    assert in_time is all(elapsed + pause < end for end in ends)


EVENTS = st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=120)


@settings(max_examples=200)
@given(events=EVENTS, window=st.floats(0.01, 20))
def test_a_tally_forgets_what_has_left_the_window(events: list[tuple[float, bool]], window: float) -> None:
    """Everything of the last window is counted, and nothing that is older than eleven tenths of it."""
    tally = Tally(window, 0.0)
    now, seen = 0.0, []
    for step, marked in events:
        now += step
        tally.add(now)
        if marked:
            tally.mark(now)
        seen.append((now, marked))
        for counted, among in ((tally.events, seen), (tally.marks, [event for event in seen if event[1]])):
            certain = sum(now - when < window * 0.999 for when, _ in among)
            possible = sum(now - when <= window * 1.101 for when, _ in among)
            assert certain <= counted <= possible


def test_a_tally_survives_any_pause_and_any_window() -> None:
    """However long nothing happened, and however short the window, the next event is one."""
    for window in (5e-324, 1e-9, 10.0, 1e300):
        tally = Tally(window, 0.0)
        for now in (0.0, 1.0, 1e9, 1e300):
            tally.add(now)
        assert 1 <= tally.events <= 4
    tally = Tally(10.0, 0.0)
    tally.add(0.0)
    tally.add(1e6)
    assert tally.events == 1


@settings(max_examples=200)
@given(events=EVENTS, ratio=st.floats(0.01, 1), reserve=st.integers(0, 5), window=st.floats(0.01, 20))
@pytest.mark.hazard(52)
def test_a_budget_holds(events: list[tuple[float, bool]], ratio: float, reserve: int, window: float) -> None:
    """Whenever a retry is allowed, those of the last window are within the reserve and the share of the requests."""
    budget = Budget(RetryBudget(ratio, reserve, window), 0.0)
    now, requests, retries = 0.0, [], []
    for step, wants in events:
        now += step
        budget.deposit(now)
        requests.append(now)
        while wants and budget.withdraw(now):
            retries.append(now)
            made = sum(now - when < window * 0.999 for when in retries)
            possible = sum(now - when <= window * 1.101 for when in requests)
            assert made <= reserve + ratio * possible + 1e-9


def test_a_dying_server_gets_a_tenth_more() -> None:
    """A thousand failures in a window ask for two thousand retries, and get the reserve and a tenth."""
    budget = Budget(RetryBudget(), 0.0)
    allowed = 0
    for number in range(1000):
        now = number / 1000
        budget.deposit(now)
        allowed += sum(budget.withdraw(now) for _ in range(2))
    assert allowed == 110
    assert "110 retries of 1000 requests" in repr(budget)


def test_a_reserve_comes_back() -> None:
    """A client with little traffic may repeat again when the window has passed."""
    budget = Budget(RetryBudget(reserve=2, window=10), 0.0)
    assert [budget.withdraw(now) for now in (0, 1, 2, 9.9)] == [True, True, False, False]
    assert [budget.withdraw(now) for now in (12, 12, 12)] == [True, True, False]


def enter(breaker: Breaker, now: float) -> int:
    """Enter a circuit that lets one in."""
    assert breaker.refusal(now) is None
    return breaker.enter()


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    """Let requests fail."""
    for _ in range(times):
        breaker.leave(enter(breaker, now), False, now)


SETTINGS = CircuitBreaker(failure_ratio=0.5, minimum=4, window=10, open_for=5)


def test_a_circuit_lives_through_its_states() -> None:
    """Closed, open for its seconds, half-open for one probe, open again, half-open again, closed."""
    breaker = Breaker(SETTINGS, 0.0)
    fail(breaker, 1.0, 3)
    assert breaker.state is State.CLOSED
    fail(breaker, 1.0)
    assert (breaker.state, breaker.refusal(1.0), breaker.refusal(4.0)) == (State.OPEN, 5.0, 2.0)
    probe = enter(breaker, 6.0)
    assert (breaker.state, breaker.refusal(6.0)) == (State.HALF_OPEN, 5.0)
    breaker.leave(probe, False, 7.0)
    assert (breaker.state, breaker.refusal(7.0), breaker.refusal(11.9)) == (State.OPEN, 5.0, pytest.approx(0.1))
    breaker.leave(enter(breaker, 12.0), True, 12.5)
    assert (breaker.state, breaker.refusal(12.5)) == (State.CLOSED, None)
    fail(breaker, 13.0, 3)
    assert breaker.state is State.CLOSED, "what was before the circuit closed is forgotten"
    assert repr(breaker) == "Breaker(closed, 3 failures of 3)"


def test_a_circuit_opens_at_its_share_of_failures() -> None:
    """Successes count against failures, and what has left the window does not count."""
    breaker = Breaker(SETTINGS, 0.0)
    for now in range(5):
        breaker.leave(enter(breaker, now), True, now)
    fail(breaker, 5.0, 4)
    assert breaker.state is State.CLOSED
    fail(breaker, 5.0)
    assert breaker.state is State.OPEN
    spread = Breaker(SETTINGS, 0.0)
    for now in range(0, 100, 5):
        fail(spread, float(now))
    assert spread.state is State.CLOSED


def test_a_probe_without_an_outcome_gives_its_place_back() -> None:
    """After a cancelled probe the next request is the probe, and what the lost one says late is nobody's."""
    breaker = Breaker(SETTINGS, 0.0)
    fail(breaker, 0.0, 4)
    probe = enter(breaker, 5.0)
    assert breaker.refusal(5.0) is not None
    breaker.leave(probe, None, 5.5)
    assert breaker.state is State.HALF_OPEN
    breaker.leave(enter(breaker, 5.5), True, 6.0)
    assert breaker.state is State.CLOSED


def test_late_outcomes_do_not_move_a_circuit() -> None:
    """What began before the circuit opened neither closes nor opens it when it ends."""
    breaker = Breaker(SETTINGS, 0.0)
    late = [enter(breaker, 0.0) for _ in range(10)]
    fail(breaker, 0.0, 4)
    breaker.leave(late[0], True, 1.0)
    assert breaker.state is State.OPEN
    probe = enter(breaker, 5.0)
    breaker.leave(late[1], True, 5.1)
    breaker.leave(late[2], None, 5.1)
    assert (breaker.state, breaker.refusal(5.1)) == (State.HALF_OPEN, 5.0)
    breaker.leave(probe, True, 5.2)
    for ticket in late[3:]:
        breaker.leave(ticket, False, 5.3)
    assert breaker.state is State.CLOSED


@settings(max_examples=300)
@given(
    steps=st.lists(st.tuples(st.floats(0, 4), st.sampled_from(["enter", True, False, None])), max_size=150),
    minimum=st.integers(1, 5),
)
def test_a_circuit_never_lets_two_probes_in(steps: list[tuple[float, Any]], minimum: int) -> None:
    """Whatever happens in whatever order: while it is open nobody enters, while half-open one at a time."""
    breaker = Breaker(CircuitBreaker(minimum=minimum, window=10, open_for=5), 0.0)
    now, inside, probes, opened = 0.0, [], set(), None
    for step, what in steps:
        now += step
        if what == "enter":
            if breaker.refusal(now) is None:
                before = breaker.state
                ticket = (breaker.enter(), len(inside), now)
                inside.append(ticket)
                if breaker.state is State.HALF_OPEN:
                    assert not probes
                    probes.add(ticket)
                if before is State.OPEN:
                    assert opened is not None
                    assert now - opened >= 5 - 1e-9
        elif inside:
            ticket = inside.pop(0)
            probes.discard(ticket)
            before = breaker.state
            breaker.leave(ticket[0], what, now)
            if breaker.state is State.OPEN and before is not State.OPEN:
                opened = now
        refusal = breaker.refusal(now)
        assert refusal is None or 0 < refusal <= 5 + 1e-9


def test_circuits_are_bounded() -> None:
    """Each origin has its circuit, and the one that was used longest ago is forgotten first."""
    known = Breakers(SETTINGS)
    first = known.of(ORIGIN, 0.0)
    fail(first, 0.0, 4)
    for number in range(MOST_CIRCUITS * 2):
        assert known.of(f"https://{number}.example.com", 0.0).state is State.CLOSED
        assert known.of(ORIGIN, 0.0) is first
    assert len(known) == MOST_CIRCUITS
    for number in range(MOST_CIRCUITS):
        known.of(f"http://{number}.example.com", 0.0)
    assert known.of(ORIGIN, 0.0) is not first
