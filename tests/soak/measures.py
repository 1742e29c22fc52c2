"""What a soak is judged by: snapshots of what the process holds, times of requests, and the limits for both."""

import asyncio
import functools
import gc
import heapq
import math
import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.crossing.resources import Resources, resources

MEBI = 1 << 20
FEW = 10
"""Differences up to this say nothing: a cache has filled, a connection more or less lies idle."""
FEW_BLOCKS = 1000
"""The same of blocks of memory."""
MOST_MEMORY = 16 * MEBI
TEN_MINUTES = 600.0
_STEP = math.log(1.02)  # two times that differ by less count as the same
_LEAST = 1e-5  # seconds
_STEPS = 800  # up to 75 s


class Snapshot(NamedTuple):
    """What the process holds at rest."""

    held: Resources
    objects: Counter[str]
    """How many there are of each type that the garbage collector knows."""
    blocks: int
    """Of memory that Python's own allocator has given out: strings and numbers too, which the collector ignores."""

    def grown(self, later: "Snapshot") -> list[tuple[int, str]]:
        """List the types of which there are more later than `FEW` would explain, most first.

        Args:
            later: The other snapshot.
        """
        return [(count, name) for name, count in (later.objects - self.objects).most_common() if count > FEW]


async def snapshot() -> Snapshot:
    """Look, once everything has ended that was about to."""
    for _ in range(20):
        await asyncio.sleep(0.005)
    _drop_cancelled(asyncio.get_running_loop())
    _drop_urls()
    for _ in range(3):  # what a finaliser lets go is found by the next collection
        gc.collect()
    objects: Counter[str] = Counter()
    counts: defaultdict[type, int] = defaultdict(int)
    for each in gc.get_objects():
        counts[type(each)] += 1
    for kind, count in counts.items():
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not name.startswith("tests."):  # what the test itself writes down
            objects[sys.intern(name)] += count  # the same text each time, or snapshots themselves would fill memory
    return Snapshot(resources(), objects, sys.getallocatedblocks())


def _drop_cancelled(loop: Any) -> None:
    """Forget timers that were cancelled, as asyncio's own loop does by itself where there are many of them."""
    timers = getattr(loop, "_scheduled", [])
    for timer in [timer for timer in timers if timer.cancelled()]:
        timers.remove(timer)
        timer._scheduled = False
        loop._timer_cancelled_count -= 1
    heapq.heapify(timers)


def _drop_urls() -> None:
    """Empty the caches of yarl: they hold the last few hundred URLs, of which some hold more than others."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "yarl"]
    for each in (each for module in modules for each in vars(module).values()):
        if type(each) is functools._lru_cache_wrapper:
            each.cache_clear()


class Sample(NamedTuple):
    """What the process has used up at a moment."""

    at: float
    """Seconds after the warm-up."""
    memory: float
    """Resident bytes."""
    cpu: float
    """Seconds of its own, which other processes' work makes no longer."""
    requests: float
    """How many have ended."""


class Samples:
    """All that were taken; they make no objects, which would be counted with those of the client."""

    def __init__(self) -> None:
        self._numbers = array("d")

    def add(self, sample: Sample) -> None:
        """Keep one.

        Args:
            sample: The next one.
        """
        self._numbers.extend(sample)

    def read(self) -> list[Sample]:
        """Return them."""
        numbers = self._numbers
        return [Sample(*numbers[start : start + 4]) for start in range(0, len(numbers), 4)]


def cost(samples: Sequence[Sample]) -> float:
    """Tell how many seconds of the processor a request took.

    Args:
        samples: Of a part of a run, two or more.
    """
    first, last = samples[0], samples[-1]
    return (last.cpu - first.cpu) / max(1, last.requests - first.requests)


class Times:
    """How long requests took, in steps of two per cent; it never grows."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _STEPS))

    def add(self, seconds: float) -> None:
        """Count one.

        Args:
            seconds: How long it took.
        """
        self._counts[min(_STEPS - 1, int(math.log(max(seconds, _LEAST) / _LEAST) / _STEP))] += 1

    def percentile(self, percent: float) -> float:
        """Tell within how many seconds so many of them were done; 0 where there are none.

        Args:
            percent: Of a hundred.
        """
        due = sum(self._counts) * percent / 100
        for step, count in enumerate(self._counts):
            due -= count
            if due <= 0 and count:
                return _LEAST * math.exp((step + 1) * _STEP)
        return 0.0


def most_rise(seconds: float) -> float:
    """Tell by how many bytes a second memory may grow: 1 MiB in ten minutes, or 2 MiB in a run that is shorter.

    It goes up and down by that much while nothing grows, which only a long run evens out.

    Args:
        seconds: How long was looked.
    """
    return MEBI / TEN_MINUTES if seconds >= TEN_MINUTES - 1 else 2 * MEBI / seconds


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line to points by least squares, and return how much it rises for each unit.

    Args:
        points: Where, and how much there; of fewer than two nothing can be told, and the answer is 0.
    """
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
