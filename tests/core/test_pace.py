"""A width that adapts itself, on a clock that is made up: three servers, and what it makes of single answers."""

import math

import pytest

from benchmarks.adaptive import SERVERS, simulate
from headrace._core.limits.pace import Pace, Rate, Width
from headrace._core.limits.server_limits import Told

SERVICE = 0.05


@pytest.mark.parametrize("name", SERVERS)
def test_three_servers(name: str) -> None:
    """Nearly as many successes as the best fixed width has, hardly anything refused, and no queue worth the name."""
    server = SERVERS[name]
    outcome = simulate(Pace(1, 512), server)
    assert outcome.goodput >= 0.9 * server.best
    assert outcome.share_refused <= 0.01
    assert outcome.median <= 2.5 * SERVICE


def test_a_width_stays_within_its_bounds() -> None:
    """Neither a server that is never full nor one that is always full leads out of them."""
    for seconds in (lambda _: 0.05, lambda width: 0.05 * width):
        width = Width(4, 20)
        now = 0.0
        for _ in range(3000):
            now += 0.01
            width.answered(now, seconds(width.limit), width.limit)
            assert 4 <= width.limit <= 20


def test_a_baseline_is_forgotten() -> None:
    """Where answers take longer for good, however few are in flight, the width recovers."""
    width = Width(1, 100)
    now = 0.0
    for each in (0.05, 0.5):
        until = now + 100
        while now < until:
            now += 0.01
            width.answered(now, each, width.limit)
    assert width.limit == 100


def test_a_width_that_is_not_reached_does_not_grow() -> None:
    """Whoever has little to ask learns nothing of how much a server can do."""
    width = Width(1, 100)
    for step in range(1000):
        width.answered(step * 0.1, 0.05, 2)
    assert width.limit == 8


def test_a_refusal_holds_everybody() -> None:
    """For as long as it asks, or a little, and twice as long behind each that follows."""
    rate = Rate()
    assert rate.wait(0.0) == 0
    rate.refused(10.0, 9.9, 7.0)
    assert rate.wait(10.0) == 7.0
    rate = Rate()
    held = []
    now = 10.0
    for _ in range(10):
        rate.refused(now, now, None)
        held.append(rate.wait(now))
        now += held[-1]
    assert held[:4] == pytest.approx([0.25, 0.5, 1.0, 2.0])
    assert held[-1] == 30.0


def test_refusals_of_one_burst_are_one() -> None:
    """Those that were under way when the first came say nothing new."""
    rate = Rate()
    for each in range(100):
        rate.accepted(each / 100)
    for _ in range(50):
        rate.refused(1.0, 0.99, None)
    assert rate.limit == pytest.approx(95.0)
    assert rate.wait(1.0) == 0.25


def test_a_rate_grows_again() -> None:
    """Slowly at first; a minute later it is twice what it was."""
    rate = Rate()
    for each in range(100):
        rate.accepted(each / 100)
    rate.refused(1.0, 0.99, 0.0)
    limits = []
    for moment in (2.0, 6.0, 61.0):
        rate.started(moment)
        limits.append(rate.limit)
    assert limits == pytest.approx([95.03, 95.66, 190.0], abs=0.05)


def test_what_a_server_says_is_left_is_spread() -> None:
    """Over the time until there is more; nothing left holds everybody until then."""
    rate = Rate()
    rate.told(0.0, [Told("", 50, 10.0)], 10)
    assert rate.limit == pytest.approx(4.0)
    rate.told(20.0, [], 0)
    assert rate.limit == math.inf
    rate.told(20.0, [Told("", 0, 5.0)], 3)
    assert rate.wait(20.0) == 5.0


def test_no_answer_at_all_is_too_much() -> None:
    """The width shrinks, once for all that were under way."""
    pace = Pace(1, 512)
    for _ in range(4):
        pace.ended(100.0, 3.0, 8, refused=False, asked=None, failed=True)
    assert pace.width == 5
