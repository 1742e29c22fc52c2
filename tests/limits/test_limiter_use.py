"""How a limiter is made, copied and taken from loop to loop, and what it says of wrong arguments."""

from __future__ import annotations

import asyncio
import math
import pickle
from typing import Any

import pytest

from headrace._core.limits.windows import Window
from headrace._io.limits.rate import RateLimiter
from headrace.errors import ValidationError
from tests.crossing.resources import resources
from tests.kit.virtual import VirtualLoop, most_in_a_window, run, until

BAD: list[Any] = [0, -1, 0.0, math.nan, math.inf, -math.inf, True, False, "1", None, [1], 1j]


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_bad_values_are_named(value: Any) -> None:
    """A value that is no number above 0 is refused by its name, and an update with it changes nothing."""
    with pytest.raises(ValidationError, match=r"^rate: got .+, takes a number above 0$"):
        RateLimiter(value)
    with pytest.raises(ValidationError, match=r"^interval: got .+, takes a number above 0$"):
        RateLimiter(1, value)
    limiter = RateLimiter(3, 2)
    with pytest.raises(ValidationError, match=r"^rate: "):
        limiter.update(value)
    assert (limiter.rate, limiter.interval) == (3, 2)


@pytest.mark.parametrize("value", [0, -1, 1.0, 1.5, "1", 4, 10**6, [1]], ids=repr)
def test_bad_weights_are_named(value: Any) -> None:
    """A weight that is no whole number, or more than a window holds, is refused at once by its name."""
    limiter = RateLimiter(3)
    if value == 1.0:
        assert limiter.try_acquire(value)  # it is equal to 1, so it is 1
        return
    with pytest.raises(ValidationError, match=r"^weight: got .+ takes a whole number from 1 to 3"):
        limiter.try_acquire(value)
    with pytest.raises(ValidationError, match=r"^weight: "):
        asyncio.run(limiter.acquire(value))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"burst": 0}, "burst: got 0, takes a whole number above 0"),
        ({"burst": 1.5}, "burst: got 1.5, takes a whole number above 0"),
        ({"burst": True}, "burst: got True, takes a whole number above 0"),
        ({"margin": -0.1}, "margin: got -0.1, takes a number from 0 on"),
        ({"margin": math.nan}, "margin: got nan, takes a number from 0 on"),
        ({"margin": "1"}, "margin: got str ('1'), takes a number from 0 on"),
        ({"rate": 10**400}, "rate: got 1000"),
        ({"rate": 1e-300, "interval": 1e300}, "rate: got next to nothing"),
    ],
    ids=str,
)
def test_other_bad_values_are_named(arguments: dict[str, Any], message: str) -> None:
    """Burst and margin are checked too, and a rate with which nothing would ever start again."""
    with pytest.raises(ValidationError) as caught:
        RateLimiter(**{"rate": 1, **arguments})
    assert str(caught.value).startswith(message)


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop does not tell of its timers
async def test_however_many_wait_there_is_one_timer() -> None:
    """Whoever comes or goes leaves none behind that would only wake to find nothing."""
    limiter = RateLimiter(1, 3600)
    assert limiter.try_acquire()
    before = resources().timers
    waiting = [asyncio.ensure_future(limiter.acquire()) for _ in range(50)]
    await asyncio.sleep(0)
    limiter.pause(60)
    assert resources().timers - before == 1
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)
    assert resources().timers - before == 0


def test_a_new_limiter_is_idle_and_so_is_a_copy_of_one_in_use() -> None:
    """A request that is under way is answered to the limiter that has counted it, and to no copy."""
    limiter = RateLimiter(5)
    assert limiter.idle_in() == 0
    limiter.sent()
    assert limiter.idle_in() == math.inf
    assert pickle.loads(pickle.dumps(limiter)).idle_in() == 0


@pytest.mark.parametrize("seconds", [-1, math.nan, math.inf, "1", None, True])
def test_a_bad_pause_is_refused(seconds: Any) -> None:
    """A pause has to end, and changes nothing where it is wrong."""
    limiter = RateLimiter(1)
    with pytest.raises(ValidationError, match=r"^seconds: "):
        limiter.pause(seconds)
    assert limiter.try_acquire()


@pytest.mark.parametrize("limits", [(), (5,), ((1, 2, 3),), ((1,),), ((0, 1),), ((1, 1), (1, "x"))], ids=repr)
def test_bad_limits_are_refused(limits: Any) -> None:
    """Several limits are pairs, and each is checked as a single one is."""
    with pytest.raises(ValidationError, match=r"^(limits|rate|interval): "):
        RateLimiter.all_of(*limits)


def test_a_limiter_describes_itself() -> None:
    """Its `repr` has the limit and how many wait."""
    assert repr(RateLimiter(2.5, 60)) == "RateLimiter(2.5, 60, waiting=0)"
    several = RateLimiter.all_of((10, 1), (5000, 3600))
    assert repr(several) == "RateLimiter.all_of((10, 1), (5000, 3600), waiting=0)"
    assert (several.rate, several.interval, several.capacity) == (10, 1, 10)


def test_a_copy_remembers_the_starts_and_goes_its_own_way() -> None:
    """A pickled limiter counts what was started before, and nothing that its original starts later."""
    limiter = RateLimiter(2, 10)
    assert limiter.try_acquire()
    copy = pickle.loads(pickle.dumps(limiter))
    assert copy.try_acquire()
    assert not copy.try_acquire()
    assert limiter.try_acquire()

    async def main() -> None:
        waiter = asyncio.ensure_future(copy.acquire())
        await asyncio.sleep(0)
        with pytest.raises(TypeError, match="somebody waits"):
            pickle.dumps(copy)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        assert pickle.loads(pickle.dumps(copy)).waiting == 0

    asyncio.run(main())


def test_a_limiter_outlives_its_loop() -> None:
    """What waited on a loop that has ended is forgotten: on the next loop it works as ever."""
    limiter = RateLimiter(1, 0.01)

    async def leave() -> None:
        limiter.pause(0.1)
        waiters = [asyncio.ensure_future(limiter.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        assert limiter.waiting == 3
        waiters[0].cancel()

    async def come() -> int:
        await asyncio.gather(limiter.acquire(), limiter.acquire())
        return limiter.waiting

    asyncio.run(leave())
    assert asyncio.run(come()) == 0


def test_a_held_start_outlives_its_loop() -> None:
    """A start that is held on a loop that has ended counts on the next, until it is dropped."""
    limiter = RateLimiter(2, 3600)

    async def wait() -> int:
        waiter = asyncio.ensure_future(limiter.acquire())  # cancelled by the end of the loop
        await asyncio.sleep(0)
        return 0 if waiter.done() else limiter.waiting

    async def hold() -> int:
        await limiter.acquire()
        limiter.hold()
        await limiter.acquire()
        return await wait()

    assert asyncio.run(hold()) == 1
    assert asyncio.run(wait()) == 1
    limiter.drop()
    assert asyncio.run(wait()) == 0


def test_two_loops_at_once_are_told() -> None:
    """A limiter that somebody waits for on one loop refuses to wait on another."""
    limiter = RateLimiter(1, 3600)
    loop = asyncio.new_event_loop()
    waiters = [loop.create_task(limiter.acquire()) for _ in range(2)]
    loop.run_until_complete(asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(limiter.acquire())
    waiters[1].cancel()
    loop.run_until_complete(asyncio.gather(*waiters, return_exceptions=True))
    loop.close()


def test_an_update_needs_no_running_loop() -> None:
    """Pausing and changing a limiter works between two runs of its loop, with somebody waiting."""
    limiter = RateLimiter(1, 3600)
    loop = asyncio.new_event_loop()
    assert limiter.try_acquire()
    waiter = loop.create_task(limiter.acquire())
    loop.run_until_complete(asyncio.sleep(0))
    limiter.update(2)
    limiter.pause(0)
    loop.run_until_complete(asyncio.wait_for(waiter, 5))
    loop.close()


@pytest.mark.parametrize(
    ("change", "moment"),
    [((2, None), 1.0), ((1, None), 1.25), ((3, 8.0), 0.5), ((2, 8.0), 8.0), ((4, None), 0.5)],
    ids=str,
)
def test_a_start_that_is_held_keeps_the_law_that_came_meanwhile(
    change: tuple[float, float | None], moment: float
) -> None:
    """Between `hold` and `resume` the limit may change: the start is made by the new one, or waits for its turn."""

    async def main(loop: VirtualLoop) -> None:
        limiter = RateLimiter(3, clock=loop.time)
        starts = [0.0, 0.25]
        assert limiter.try_acquire()
        await until(loop, 0.25)
        assert limiter.try_acquire()
        assert limiter.try_acquire()
        limiter.hold()
        limiter.update(*change)
        await until(loop, 0.5)
        resumed = limiter.resume()
        assert resumed is (moment == 0.5)
        if not resumed:
            await limiter.rejoin()
        starts.append(loop.time())
        assert starts[-1] == moment
        assert limiter.idle_in() < math.inf
        for _ in range(4):  # what comes behind it finds it counted, once
            await limiter.acquire()
            starts.append(loop.time())
        assert most_in_a_window(starts[2:], limiter.interval) <= limiter.rate
        rate, interval = limiter.rate, limiter.interval
        assert most_in_a_window([start for start in starts if start > moment - interval], interval) <= rate
        assert starts[6] < moment + interval * (4 // rate + 1)

    run(main)


def test_its_windows_can_be_read() -> None:
    """What holds is told as pairs of starts and seconds, margin and burst included, also after a change."""
    limiter = RateLimiter(10, 2.0, burst=2, margin=0.5)
    assert limiter.windows == ((10, 2.5), (2, 0.5))
    limiter.update(5)
    assert limiter.windows == ((5, 2.5), (2, 1.0))
    assert RateLimiter.all_of((0.5, 1), (5000, 3600)).windows == ((1, 2.0), (5000, 3600))


def test_its_starts_can_be_read() -> None:
    """The starts that count are told with their moments: by weight, none that is over, held or taken back."""
    now = [0.0]
    limiter = RateLimiter.all_of((5, 1.0), (10, 4.0), clock=lambda: now[0])
    assert limiter.starts == ()
    assert limiter.try_acquire()
    now[0] = 2.0
    assert limiter.try_acquire(3)
    assert limiter.try_acquire()
    assert limiter.starts == (0.0, 2.0, 2.0, 2.0, 2.0)
    limiter.hold()
    assert limiter.starts == (0.0, 2.0, 2.0, 2.0)
    now[0] = 4.0
    assert limiter.resume()
    assert limiter.starts == (2.0, 2.0, 2.0, 4.0)
    now[0] = 8.0
    assert limiter.starts == ()


def test_what_has_left_a_window_is_forgotten() -> None:
    """Old starts go in steps of a call each, some more than are made at once, and none that still counts goes."""
    window = Window(100, 10.0, [0.0] * 7 + [5.0])
    window.forget(10.0, 4)
    assert list(window.starts) == [5.0]
