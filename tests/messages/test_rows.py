"""Every mistake of the table is told with its argument, what was given and what to do, and the page shows the same."""

import pytest

from tests.messages.page import PAGE, page
from tests.messages.rows import ROWS, Row
from tests.messages.running import raised

_COROUTINES_LEFT = "ignore:coroutine .* was never awaited:RuntimeWarning"


@pytest.mark.filterwarnings(_COROUTINES_LEFT)
@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("row", ROWS, ids=[row.code.partition("\n")[0][:70] for row in ROWS])
async def test_a_mistake_is_told_with_its_remedy(row: Row) -> None:
    """The class of the error is the one that the table names, and the text has all of its words."""
    error = await raised(row.code)
    assert type(error).__name__ == row.error, error
    missing = [words for words in row.says if words not in str(error)]
    assert not missing, f"{missing} not in: {error}"


def test_there_are_about_a_hundred() -> None:
    """A row that is dropped is missed."""
    assert len(ROWS) >= 100
    assert len({row.code for row in ROWS}) == len(ROWS)


@pytest.mark.filterwarnings(_COROUTINES_LEFT)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_page_shows_what_is_told() -> None:
    """`docs/troubleshooting.md` has every message as it is; `python -m tests.messages` writes it."""
    assert PAGE.read_text(encoding="utf-8") == await page()
