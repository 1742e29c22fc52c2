"""Which names of encodings are charsets: those that a server's text may be in, not all that Python has."""

from __future__ import annotations

import codecs
import encodings
from encodings.aliases import aliases
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient, errors
from headrace._core.values import charsets, decode
from tests.servers.raw import read_request, reply

if TYPE_CHECKING:
    import asyncio

    from tests.conftest import Serve


@pytest.mark.parametrize("name", ["punycode", "Punycode", "unicode_escape", "raw-unicode-escape"])
@pytest.mark.parametrize("body", [b"gr\xc3\xbcn \xff", rb"C:\new\dir\x41\u0041"])
@pytest.mark.hazard(34)
def test_an_encoding_of_python_s_own_is_no_charset(name: str, body: bytes) -> None:
    """Text that says it is written as Python writes host names or source is UTF-8, with nothing to warn of."""
    assert decode.text(body, f"text/plain; charset={name}") == body.decode("utf-8", "replace")


@pytest.mark.hazard(34)
def test_a_megabyte_of_punycode_keeps_nobody_waiting() -> None:
    """A body whose charset takes the square of its length in time, which would be minutes, is text like any other."""
    assert decode.text(b"a" * 1_000_000, "text/plain; charset=punycode") == "a" * 1_000_000


@pytest.mark.hazard(70)
def test_names_of_servers_are_not_remembered() -> None:
    """Python keeps every name that it was asked for: it is asked for none but those of a table, in one spelling."""
    spellings = ["UTF-8", "utf--8", "utf...8", "u\u00a0t", "Latin-1", "ISO_8859-1", "iso-8859-1", "latin.1", "x" * 70]
    many = [
        f"{'_' * number}{name}" for number in range(100) for name in (f"x{number}", f"utf{'-' * number}8", "latin.1")
    ]
    for name in ("utf-8", "latin-1", "utf-8-sig"):
        decode.text(b"x", f"text/plain; charset={name}")  # of an empty body Python asks for no encoding
    before = set(encodings._cache)  # type: ignore[attr-defined] # no part of its types
    for name in (*spellings, *many):
        decode.text(b"gr\xc3\xbcn", f"text/plain; charset={name}")
    assert set(encodings._cache) == before  # type: ignore[attr-defined] # no part of its types


@pytest.mark.hazard(70)
async def test_three_thousand_charsets_cost_nothing(transport: str, serve: Serve) -> None:
    """A server that names another charset with each error leaves nothing behind in the process."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for answer in range(100):
            await read_request(reader)
            field = f"Content-Type: text/plain; charset=x-{server.port}-{number}-{answer}"
            writer.write(reply(b"gr\xc3\xbcn", field, status="404 Not Found"))

    server = await serve(handler)
    known = len(encodings._cache)  # type: ignore[attr-defined] # no part of its types
    async with AsyncClient(server.url, transport=transport) as client:
        for _ in range(100):
            with pytest.raises(errors.HTTPNotFound) as caught:
                await client.get("/")
            assert caught.value.response == "gr\u00fcn"
    assert len(encodings._cache) <= known + 2  # type: ignore[attr-defined] # no part of its types


@pytest.mark.hazard(34, 70)
@pytest.mark.parametrize("alias", sorted(aliases))
def test_every_charset_of_python_is_known(alias: str) -> None:
    """All names that Python has for encodings of text are read as Python reads them, with any separators."""
    text = codecs.lookup(aliases[alias])._is_text_encoding if aliases[alias] != "mbcs" else False
    for name in (alias, alias.upper(), alias.replace("_", "-"), aliases[alias]):
        found = charsets.find(name)
        assert (found is not None) is text
        assert found is None or codecs.lookup(found).name == codecs.lookup(aliases[alias]).name


@pytest.mark.hazard(34, 65)
@given(st.binary(max_size=60), st.sampled_from(sorted(set(charsets._KNOWN.values()))) | st.text(max_size=40))
def test_no_text_in_any_charset_raises(body: bytes, name: str) -> None:
    """Whatever bytes come, and whatever they are said to be, there is text."""
    assert isinstance(decode.text(body, f"text/plain; charset={name}"), str)
