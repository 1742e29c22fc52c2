"""Every mistake of the table is told with its argument, what was given and what to do, and the page shows the same."""

import re
from unittest.mock import create_autospec

import pytest

from headrace import AsyncClient, _words
from headrace._core.call import OPTIONS
from headrace._io.answers.streamed import StreamedResponse
from headrace.config import SETTINGS
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


def test_words_lead_to_words_that_there_are() -> None:
    """Every word of another library leads to a keyword of a call or a setting of the client, as they are today."""
    takes = {*OPTIONS, "path", "response_format", "upload_file"}
    for word, meant in _words.OF_CALLS.items():
        assert re.findall(r"[a-z_]+", meant)[0] in takes, word
        assert word not in OPTIONS
    for word, meant in _words.OF_CLIENTS.items():
        assert re.findall(r"[a-z_]+", meant)[0] in SETTINGS, word
        assert word not in SETTINGS


@pytest.mark.parametrize("word", ["status_code", "json", "text", "content", "iter_lines", "close", "read"])
def test_a_streamed_response_has_no_attribute_that_only_explains(word: str) -> None:
    """Whoever asks first whether there is one hears that there is none."""
    assert not hasattr(StreamedResponse, word)


@pytest.mark.parametrize(
    "code",
    [
        'await client.get("/x", parameters="page=1&api_key=s3cret")',
        'await client.get("/x?token=s3cret", parameters=5)',
        'await client.get("https://me:s3cret@a.example/x", parameters=5)',
        'await client.get("/x", parameters={"api_key": b"s3cret".join})',
        'await client.get("/x", headers={"X-Key": "s3cret\\n"})',
        'await client.get("/x", headers="X-Key: s3cret")',
        'await client.get("/x", cookies={"sid": "s3cret;"})',
        'await client.post("/x", body="s3cret")',
        'await client.post("/x", body={"password": b"s3cret".join})',
        'await client.get("/x", timeout={"s3cret": 1})',
        'AsyncClient("me:s3cret@a.example")',
        'AsyncClient("https://a.example", proxy="me:s3cret@proxy:8080")',
        'AsyncClient("https://a.example", proxy="socks5://me:s3cret@proxy:8080")',
        'AsyncClient("https://a.example", auth="s3cret")',
        'AsyncClient("https://a.example", bearer_token=["s3cret"])',
        'AsyncClient("https://a.example", limiter="valkey://:s3cret@host/0")',
        'AsyncClient("https://a.example", headers="Authorization: s3cret")',
    ],
)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_no_message_shows_a_secret(code: str) -> None:
    """What was given is shown where it is no secret, and masked where a part of it may be one."""
    error = await raised(code)
    assert "s3cret" not in str(error)
    assert "s3cret" not in repr(vars(error))


async def test_what_was_given_is_cut() -> None:
    """A long value does not fill the screen, and a line end in it does not make a line of its own."""
    error = await raised('await client.get("/x", parameters="a\\nb" + "c" * 1000)')
    assert len(str(error)) < 250
    assert "\n" not in str(error)


def test_a_client_can_be_mocked_by_its_spec() -> None:
    """What stands for a constructor that was not called stands in nobody's way."""
    assert create_autospec(AsyncClient).get is not None


@pytest.mark.filterwarnings(_COROUTINES_LEFT)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_page_shows_what_is_told() -> None:
    """`docs/troubleshooting.md` has every message as it is; `python -m tests.messages` writes it."""
    assert PAGE.read_text(encoding="utf-8") == await page()
