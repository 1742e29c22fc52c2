"""The kinds of client of the older framework."""

import pytest

from tests.kit.older import KINDS


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of client that there is."""
    name: str = request.param
    return name
