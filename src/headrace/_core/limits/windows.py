"""In every window of time at most so many may start; from when on the next one may follows from the last ones.

A window is half open: a start at `t` counts until just before `t + seconds`. Nothing is computed ahead; a window only
remembers the starts that were made.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import repeat
from typing import TYPE_CHECKING, Any

from headrace._checks import is_number, wrong
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Window:
    """At most `capacity` starts in every window of `seconds`.

    Args:
        capacity: Starts that a window may hold, at least 1.
        seconds: Seconds that the window is long.
        starts: When there were starts already, the oldest first.
    """

    __slots__ = ("capacity", "seconds", "starts")

    def __init__(self, capacity: int, seconds: float, starts: Iterable[float] = ()) -> None:
        self.capacity = capacity
        self.seconds = seconds
        self.starts = deque(starts)

    def due(self, weight: int) -> float:
        """Compute from which moment on so many more may start.

        Args:
            weight: Starts, made at once.

        Returns:
            A moment of the clock that made the starts; minus infinity where the window has room for them anyway, and
            infinity where it never has.
        """
        leaving = len(self.starts) + weight - self.capacity
        if leaving <= 0:
            return -math.inf
        # What has to leave are the oldest, so this reads the front of the deque, where an index costs next to nothing.
        return self.starts[leaving - 1] + self.seconds if leaving <= len(self.starts) else math.inf

    def record(self, now: float, weight: int) -> None:
        """Remember starts.

        Args:
            now: When; never earlier than the last one.
            weight: How many.
        """
        if weight == 1:
            self.starts.append(now)
        else:
            self.starts.extend(repeat(now, weight))

    def forget(self, now: float, most: int) -> None:
        """Forget starts that no window from now on will hold.

        Args:
            now: The moment.
            most: Fewer than twice as many are forgotten, so that no call has to pay for all that were made before it.
        """
        starts, seconds = self.starts, self.seconds
        # They are in order: the last of some tells of all of them.
        while most:
            if most <= len(starts) and starts[most - 1] + seconds <= now:
                for _ in repeat(None, most):
                    starts.popleft()
            most >>= 1

    def empty_at(self) -> float:
        """Compute from which moment on it holds no start; minus infinity where it holds none."""
        return self.starts[-1] + self.seconds if self.starts else -math.inf


def plan(rate: float, interval: float, *, burst: int | None = None, margin: float = 0.0) -> list[tuple[int, float]]:
    """Say which windows a rate is made of.

    No start is a half. A rate below 1 stretches its window until it holds one start, so that 0.5 is one in two
    intervals. Above 1, the law of every single interval leaves the whole part: 2.5 is two, for three are more than 2.5.

    Args:
        rate: Starts in an interval.
        interval: Seconds.
        burst: Starts that may follow on each other at once; the others are spread over the interval.
        margin: Seconds that each window is longer.

    Returns:
        The capacity and the seconds of each window; all of them have to be kept.
    """
    capacity = max(1, math.floor(rate))
    windows = [(capacity, (interval if rate >= 1 else interval / rate) + margin)]
    if burst is not None and burst < capacity:
        windows.append((burst, burst * windows[0][1] / capacity))
    return windows


def law(limits: Iterable[Any], *, burst: int | None, margin: float, starts: Iterable[float] = ()) -> tuple[Window, ...]:
    """Make the windows of one or more limits.

    Args:
        limits: Pairs of a rate and an interval (seconds).
        burst: As in `plan`.
        margin: As in `plan`.
        starts: When there were starts already, the oldest first.

    Raises:
        headrace.errors.ValidationError: There is no limit, or a value of one is not a number above 0.
    """
    planned: list[tuple[int, float]] = []
    for limit in limits:
        if not isinstance(limit, (tuple, list)) or len(limit) != 2:
            message = f"limits: got {limit!r:.50}, takes pairs of a rate and an interval"
            raise ValidationError(message)
        rate, interval = limit
        positive("rate", rate)
        positive("interval", interval)
        planned += plan(rate, interval, burst=burst, margin=margin)
    if not planned:
        message = "limits: got none, takes one or more pairs of a rate and an interval"
        raise ValidationError(message)
    if not all(math.isfinite(seconds) for _, seconds in planned):
        message = "rate: got next to nothing, takes a number above 0 with which there ever is a second start"
        raise ValidationError(message)
    return tuple(Window(capacity, seconds, starts) for capacity, seconds in planned)


def changed(
    limits: tuple[tuple[float, float], ...], rate: float, interval: float | None
) -> tuple[tuple[float, float], ...]:
    """Change one of several limits.

    Args:
        limits: Pairs of a rate and an interval (seconds).
        rate: The new rate.
        interval: The new interval of a single limit, or the one that says which of several; `None` is the first's.

    Raises:
        headrace.errors.ValidationError: None of several limits has that interval.
    """
    if interval is None:
        return ((rate, limits[0][1]), *limits[1:])
    if len(limits) == 1:
        return ((rate, interval),)
    intervals = [seconds for _, seconds in limits]
    if interval not in intervals:
        takes = ", ".join(f"{seconds:g}" for seconds in intervals)
        message = f"interval: got {interval!r:.50}, takes that of one of the limits: {takes}"
        raise ValidationError(message)
    index = intervals.index(interval)
    return (*limits[:index], (rate, interval), *limits[index + 1 :])


def positive(name: str, value: Any, *, or_zero: bool = False) -> None:
    """Refuse what is no number above 0.

    Args:
        name: The argument's name, for the error.
        value: What was given for it.
        or_zero: Whether 0 will do.

    Raises:
        headrace.errors.ValidationError: It is none.
    """
    takes = "a number from 0 on" if or_zero else "a number above 0"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(name, value, takes)
    if not is_number(value, zero=or_zero):
        message = f"{name}: got {value!r:.50}, takes {takes}"
        raise ValidationError(message)


def whole(name: str, value: Any, most: int | None = None) -> None:
    """Refuse what is no whole number above 0.

    Args:
        name: The argument's name, for the error.
        value: What was given for it.
        most: The largest that will do.

    Raises:
        headrace.errors.ValidationError: It is none, or larger.
    """
    if not is_number(value, integer=True) or (most is not None and value > most):
        takes = (
            "a whole number above 0" if most is None else f"a whole number from 1 to {most}, all that a window holds"
        )
        message = f"{name}: got {value!r:.50}, takes {takes}"
        raise ValidationError(message)
