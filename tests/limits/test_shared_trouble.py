"""What goes wrong with a shared limit, on a loop whose time is made up: it fails in time, and by name."""

from __future__ import annotations

import asyncio
import os

import pytest

from headrace.errors import LimiterError
from tests.kit.shared_logs import Kept, Sharing, starts_for
from tests.kit.virtual import VirtualLoop, most_in_a_window, run


def test_permits_that_come_too_late_are_an_error() -> None:
    """A round trip above the lateness burns every permit; the third time that is told, and nothing has started."""

    async def main(loop: VirtualLoop) -> str:
        limiter = Sharing(Kept(loop, round_trip=0.05), (10, 1.0), lateness=0.02)
        with pytest.raises(LimiterError) as caught:
            await limiter.acquire()
        return str(caught.value)

    text = run(main)
    assert "3 permits in a row" in text
    assert "lateness=0.02" in text


def test_a_busy_loop_is_no_error_at_once() -> None:
    """Permits that only our own loop was too late for are asked for again, for as long as there is patience."""

    async def main(loop: VirtualLoop) -> None:
        kept = Kept(loop)
        limiter = Sharing(kept, (100, 1.0), patience=5.0)
        await limiter.acquire()

        async def stall(until_then: float) -> None:
            while loop.time() < until_then:
                loop.stall(0.05)
                await asyncio.sleep(0)

        busy = asyncio.ensure_future(stall(loop.time() + 3.0))
        await limiter.acquire()
        assert busy.done()
        busy = asyncio.ensure_future(stall(loop.time() + 30.0))
        with pytest.raises(LimiterError, match="keep the event loop free"):
            await limiter.acquire()
        assert not busy.done()
        busy.cancel()

    run(main)


def test_a_server_out_of_reach_is_an_error_in_time() -> None:
    """Whoever waits is told after `patience` seconds, and later ones sooner; once it is back all goes on."""

    async def main(loop: VirtualLoop) -> None:
        kept = Kept(loop)
        kept.is_gone = True
        limiter = Sharing(kept, (10, 1.0), patience=3.0)
        with pytest.raises(LimiterError, match=r"out of reach for 3(\.\d+)? s \(patience=3\): gone"):
            await limiter.acquire()
        assert 3.0 <= loop.time() < 3.6
        with pytest.raises(LimiterError, match="out of reach"):
            await limiter.acquire()
        assert loop.time() < 4.5
        kept.is_gone = False
        await limiter.acquire()
        assert limiter.waiting == 0

    run(main)


def test_a_server_that_hangs_is_out_of_reach_too() -> None:
    """No answer at all is as good as none."""

    async def main(loop: VirtualLoop) -> None:
        kept = Kept(loop)
        kept.stalled_until = 1000.0
        with pytest.raises(LimiterError, match="out of reach"):
            await Sharing(kept, (10, 1.0), patience=2.0).acquire()
        assert loop.time() < 3.0

    run(main)


def test_a_fallback_starts_its_own_share() -> None:
    """Past its patience a process starts by itself, by its share alone, and not beside what it is granted later."""

    async def main(loop: VirtualLoop) -> list[float]:
        kept = Kept(loop)
        kept.is_gone = True
        limiter = Sharing(kept, (10, 1.0), patience=1.0, fallback=2)
        loop.call_later(5.0, lambda: setattr(kept, "is_gone", False))
        return (await starts_for(loop, [limiter], 12.0))[0]

    starts = run(main)
    alone = [moment for moment in starts if moment < 5.0]
    assert alone[0] >= 1.0
    assert 6 <= len(alone) <= 10
    assert most_in_a_window(alone, 1.0) == 2
    assert most_in_a_window(starts, 1.0) <= 10
    assert most_in_a_window(starts, 1.0) == 10


def test_closing_ends_the_waits_and_not_the_limiter() -> None:
    """Whoever waits is told; whoever comes later is served."""

    async def main(loop: VirtualLoop) -> None:
        limiter = Sharing(Kept(loop), (1, 1.0))
        wait = asyncio.ensure_future(limiter.acquire())
        await asyncio.sleep(0.1)
        await limiter.close()
        with pytest.raises(LimiterError, match="was closed"):
            await wait
        await limiter.acquire()
        await limiter.close()
        assert len(asyncio.all_tasks()) == 1

    run(main)


def test_an_idle_limiter_has_no_task() -> None:
    """The connection is let go after `idle` seconds, and made again for whoever comes."""

    async def main(loop: VirtualLoop) -> None:
        limiter = Sharing(Kept(loop), (5, 1.0), idle=2.0)
        await limiter.acquire()
        assert len(asyncio.all_tasks()) == 2
        await asyncio.sleep(2.5)
        assert len(asyncio.all_tasks()) == 1
        assert limiter.idle_in() == 0.0
        await limiter.acquire()

    run(main)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_fork_holds_no_permit_twice() -> None:
    """A child process has none of its parent's permits, and is another client; the parent keeps its own."""

    async def main(loop: VirtualLoop) -> None:
        limiter = Sharing(Kept(loop), (1000, 1.0))
        await limiter.acquire()
        limiter._leases.add(loop.time(), 5, loop.time())
        name = limiter._client
        child = os.fork()
        if child == 0:
            os._exit(int(limiter.try_acquire() or limiter._client == name))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222 - it ends at once
        assert limiter.try_acquire()
        assert limiter._client == name

    run(main)
