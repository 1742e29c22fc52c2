"""What a server writes into `Location` is resolved on the text as it came, and is a place to go or none."""

import re
from urllib.parse import urljoin

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from headrace._core.messages import Origin
from headrace._core.request import encode, reference

BASE = URL("http://a/b/c/d;p?q", encoded=True)
HERE = URL("https://api.example.com/v1/users?page=1", encoded=True)

#: RFC 3986, sections 5.4.1 and 5.4.2, without fragments, which are never sent.
RFC = {
    "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g", "//g": "http://g/",
    "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q", "g#s": "http://a/b/c/g",
    "g?y#s": "http://a/b/c/g?y", ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x", "g;x?y#s": "http://a/b/c/g;x?y",
    "": "http://a/b/c/d;p?q", ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/", "../": "http://a/b/",
    "../g": "http://a/b/g", "../..": "http://a/", "../../": "http://a/", "../../g": "http://a/g",
    "../../../g": "http://a/g", "../../../../g": "http://a/g", "/./g": "http://a/g", "/../g": "http://a/g",
    "g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g", "g..": "http://a/b/c/g..", "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y", "g;x=1/../y": "http://a/b/c/y", "g?y/./x": "http://a/b/c/g?y/./x",
    "g?y/../x": "http://a/b/c/g?y/../x", "g#s/./x": "http://a/b/c/g", "g#s/../x": "http://a/b/c/g",
    "g:h": None, "http:g": None,
}  # fmt: skip


@pytest.mark.hazard(58)
@pytest.mark.parametrize("written", RFC)
def test_the_examples_of_the_rfc(written: str) -> None:
    """Every example of RFC 3986, section 5.4, leads where it says, or nowhere where that is no http(s) URL."""
    found = reference.resolve(BASE, written)
    assert (None if found is None else str(found)) == RFC[written]


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    "encoded", ["%2F", "%3F", "%23", "%20", "%C3%A9", "%25", "%2e%2e", "%0D%0A", "%00", "%FF", "%7e"]
)
def test_what_is_encoded_stays_as_it_is(encoded: str) -> None:
    """Neither what was asked for before nor what the server has written is decoded, or changes its case."""
    base = URL(f"http://a/x{encoded}y/z{encoded}?q={encoded}", encoded=True)
    assert str(reference.resolve(base, "n")) == f"http://a/x{encoded}y/n"
    assert str(reference.resolve(base, f"{encoded}/n?m={encoded}")) == f"http://a/x{encoded}y/{encoded}/n?m={encoded}"
    assert str(reference.resolve(base, "?m")) == f"http://a/x{encoded}y/z{encoded}?m"
    assert str(reference.resolve(base, "#")) == str(base)


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("gr\u00fcn", "gr%C3%BCn"),
        ("gr\udcc3\udcbcn", "gr%C3%BCn"),
        ("gr\udcfcn", "gr%FCn"),
        ("\udced\udca0\udc80", "%ED%A0%80"),
        ("a b?c d", "a%20b?c%20d"),
        ("100%", "100%25"),
        ("a%zz%41", "a%25zz%41"),
        ('a"<>\\^`{|}', "a%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("/\\b.example", "/%5Cb.example"),
        ("\\\\b.example", "%5C%5Cb.example"),
        (" b\t", "b"),
        ("1:2", "1:2"),
        ("a//b/../c", "a//c"),
        ("b?", "b"),
        ("b?+%2B", "b?+%2B"),
    ],
)
def test_what_is_not_encoded_is_encoded_once(written: str, url: str) -> None:
    """Raw UTF-8, spaces and bytes that are neither go out as the bytes that they are; nothing leaves the origin."""
    at = "http://a" if url.startswith("/") else "http://a/x/"
    assert str(reference.resolve(URL("http://a/x/y"), written)) == at + url


@pytest.mark.hazard(58)
@pytest.mark.parametrize(
    "written",
    [
        "/a\rb", "/a\nb", "/a\r\nX: y", "/a\0b", "/a\x01b", "/a\x7fb", "/a\tb", "/\ud800",
        "http://[]@", "http://[]", "//[]@x/", "http://[", "http://]", "http://[::1", "http://[v1.x]/", "http://[:]/",
        "http://[1:2]/", "http://[::1%25lo]/", "http://[::1]x/", "http://x[::1]/", "http://a b/", "http://a%41/",
        "http://a\\@b/", "http://a\\b/", 'http://a"b/', "http://a<b/", "http://a|b/", "http://\u00ad/", "http://\u200b/",
        "http://xn--\udcff/", "http://\udcff/", "http://\udced\udca0\udc80" + "1" * 400 + "/", "http://\u2100/",
        "http://a:b/", "http://a:65536/", "http://a:99999999999/", "http://a:\uff18/", "http://a:-1/", "http://a:+1/",
        "http://", "http:///x", "https:/x", "http:x", "//", "///x", "//@", "//:80", "ftp://a/", "javascript:alert(1)",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_nobody_could_mean_leads_nowhere(written: str) -> None:
    """Control characters, hosts that are none, and ports that are none are no place to go, nor an error of yarl's."""
    assert reference.resolve(HERE, written) is None


@pytest.mark.parametrize(
    ("written", "site"),
    [
        ("http://A.example:080/x", "http://a.example"),
        ("HTTPS://a.example:443", "https://a.example"),
        ("//me:pw@b.example:1/", "https://b.example:1"),
        ("//a@c@b.example/", "https://b.example"),
        ("http://[::FFFF:1]:8080/", "http://[::ffff:1]:8080"),
        ("http://b\u00fccher.example/", "http://xn--bcher-kva.example"),
        ("http://b\udcc3\udcbccher.example/", "http://xn--bcher-kva.example"),
        ("http://a.example?x", "http://a.example"),
        ("http://a.example#x", "http://a.example"),
    ],
)
def test_an_authority_is_read(written: str, site: str) -> None:
    """Scheme, host and port are told by what stands before path, query and fragment; userinfo is left out."""
    found = reference.resolve(HERE, written)
    assert found is not None
    assert Origin(found).text == site
    assert found.raw_user is found.raw_password is None


PIECES = st.sampled_from(
    [
        "http://", "https:", "//", "/", "\\", "?", "#", "@", ":", "[", "]", "%", "%2F", "%0d%0A", "..", ".", "::1",
        "\r\n", "\0", "\t", " ", "\u00e9", "\u200b", "\u2100", "\ud800", "\udcff", "\udcc3\udca9", "a", "80", "99999",
        "xn--", "v1.",
    ]
)  # fmt: skip
LOCATIONS = st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join)
TARGET = re.compile(r"/[!-~]*").fullmatch


@pytest.mark.hazard(58)
@settings(max_examples=1000)
@given(LOCATIONS, LOCATIONS)
@example("/users/%20HTTP%2F1.1%0D%0A/profile", "login")
@example("/x", "http://[]@")
def test_any_location_is_a_place_that_can_be_written_or_none(before: str, written: str) -> None:
    """Whatever servers write, hop after hop, there is one request line in it, and no error but ours."""
    base: URL | None = HERE
    for location in (before, written, "n", "../n", "?n"):
        base = reference.resolve(base, location) if base is not None else None
        if base is None:
            return
        origin = Origin(base)
        assert TARGET(base.raw_path_qs)
        assert str(base) == origin.text + base.raw_path_qs
        assert re.fullmatch(r"https?://[!-.0-9;=A-~:\[\]]+", origin.text)


@settings(max_examples=300)
@given(st.text("ab/.%2F", max_size=20).filter(lambda text: "//" not in text).map(encode.once))
def test_the_standard_library_agrees(written: str) -> None:
    """References of plain text lead where `urllib.parse.urljoin` leads, which decodes nothing either."""
    base = "http://a/b%2Fc/d/e?q"
    assert str(reference.resolve(URL(base, encoded=True), written)) == urljoin(base, written)
