"""Whatever happens to requests, none gets another one's answer, none is lost, and nothing of them is left behind."""

import os
import sys

import pytest

from tests.crossing.run import Crossing

LONG = bool(os.environ.get("HEADRACE_LONG"))
REQUESTS = 1_000_000 if LONG else 10_000  # on each loop


@pytest.mark.hazard(22, 46, 48, 49, 51, 53)
@pytest.mark.timeout(7200 if LONG else 300)
async def test_no_request_gets_what_is_another_s() -> None:
    """Cancelled, timed out, cut off, answered badly, over a server that restarts: each is right, or fails for a reason.

    Every request and every answer names a token, in their heads and all over their bodies.
    """
    report = await Crossing(REQUESTS, seed=REQUESTS).run()
    assert report.crossed == []
    assert report.lost == []
    assert report.duplicated == []
    assert report.leaked == []
    assert report.requests == REQUESTS
    assert report.outcomes["right"] > REQUESTS / 3
    assert report.restarts > REQUESTS / 2000
    if LONG and sys.platform == "linux":  # in a short run memory tells of the machine; `test_soak` counts what is held
        assert report.growth < 0.02
