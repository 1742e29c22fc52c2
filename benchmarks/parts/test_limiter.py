"""What it costs to pass a limiter that does not make anybody wait lives here, aiolimiter's beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headrace import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable

#: Starts in ten milliseconds: more than any loop makes, and few enough to be forgotten again.
_RATE, _INTERVAL = 100_000, 0.01


@pytest.mark.benchmark(group="limiter")
def test_acquire(timed: Callable[[Callable[[], Any]], Any]) -> None:
    """Ours."""
    limiter = RateLimiter(_RATE, _INTERVAL)
    timed(limiter.acquire)
    assert limiter.waited == 0


@pytest.mark.benchmark(group="limiter")
def test_aiolimiter(timed: Callable[[Callable[[], Any]], Any]) -> None:
    """aiolimiter's, where it is installed."""
    aiolimiter = pytest.importorskip("aiolimiter")
    timed(aiolimiter.AsyncLimiter(_RATE, _INTERVAL).acquire)
