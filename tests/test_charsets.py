"""Which names of encodings are charsets: those that a server's text may be in, not all that Python has."""

import pytest

from headrace._core import decode


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
