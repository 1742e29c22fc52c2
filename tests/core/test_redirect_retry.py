"""Where an answer leads, and when it asks to be asked again."""

from __future__ import annotations

import datetime as dt
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from headrace._core.messages import Response
from headrace._core.request import redirect
from headrace._core.retries import retry, retry_after
from headrace.policies import Retry

HERE = URL("https://api.example.com/v1/users?page=1")
NOW = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]
FOLLOWED = [301, 302, 303, 307, 308]


def hop_to(location: str, base: URL = HERE) -> redirect.Hop:
    """Follow a GET that is answered with 302."""
    hop = redirect.next_hop("GET", base, 302, location)
    assert hop is not None
    return hop


@pytest.mark.parametrize("status", FOLLOWED)
@pytest.mark.parametrize("method", METHODS)
def test_method_and_body_follow_rfc_9110(method: str, status: int) -> None:
    """POST becomes GET at 301 and 302, everything but HEAD at 303, and nothing changes at 307 and 308."""
    hop = redirect.next_hop(method, HERE, status, "/x")
    assert hop is not None
    rewritten = (status in {301, 302} and method == "POST") or (status == 303 and method != "HEAD")
    assert (hop.method, hop.keeps_body) == (("GET", False) if rewritten else (method, True))
    assert hop.url == URL("https://api.example.com/x")


@pytest.mark.parametrize("status", sorted({*range(200, 400), 400, 404, 500} - set(FOLLOWED)))
def test_other_statuses_lead_nowhere(status: int) -> None:
    """Only the five statuses that name one place to go are followed, whatever `Location` says."""
    assert redirect.next_hop("GET", HERE, status, "/x") is None


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://api.example.com/v2", "https://api.example.com/v2"),
        ("/v2/users", "https://api.example.com/v2/users"),
        ("posts", "https://api.example.com/v1/posts"),
        ("../v2", "https://api.example.com/v2"),
        ("?page=2", "https://api.example.com/v1/users?page=2"),
        ("//other.example.com/x", "https://other.example.com/x"),
        ("http://other.example.com/", "http://other.example.com/"),
        ("HTTPS://API.example.com/x", "https://api.example.com/x"),
        ("/x#part", "https://api.example.com/x"),
        ("/gr\u00fcn", "https://api.example.com/gr%C3%BCn"),
        ("/gr\udcc3\udcbcn", "https://api.example.com/gr%C3%BCn"),
        ("/a%2Fb%20c?d=%26", "https://api.example.com/a%2Fb%20c?d=%26"),
        ("/a b", "https://api.example.com/a%20b"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://me:pw@api.example.com/x", "https://api.example.com/x"),
        ("https://:pw@api.example.com/x", "https://api.example.com/x"),
    ],
)
def test_a_location_is_joined_to_the_url(location: str, url: str) -> None:
    """A `Location` may be a part of a URL, unencoded or with userinfo, which is not taken over."""
    assert str(hop_to(location).url) == url


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/plain,x",
        "mailto:a@example.com",
        "http://",
        "http://example.com:99999/",
        "http://example.com:port/",
        "http://[::1/",
        "unix:///run/docker.sock",
    ],
)
def test_a_location_that_is_no_http_url_leads_nowhere(location: str | None) -> None:
    """Without a usable http(s) URL the answer stays what it is, and no foreign error gets out."""
    assert redirect.next_hop("GET", HERE, 302, location) is None


@settings(max_examples=200)
@given(location=st.text(st.characters(max_codepoint=0x2FF), max_size=30) | st.text("/:@[]?#%.htps\\ ", max_size=20))
def test_any_location_is_a_place_or_none(location: str) -> None:
    """Whatever a server writes into `Location`, it is a http(s) URL or leads nowhere."""
    hop = redirect.next_hop("GET", HERE, 302, location)
    if hop is not None:
        assert hop.url.scheme in {"http", "https"}
        assert hop.url.raw_host
        assert hop.url.raw_user is None
        assert not hop.url.raw_fragment


@pytest.mark.parametrize(
    ("base", "location", "crosses"),
    [
        ("https://a.example.com/", "/x", False),
        ("https://a.example.com/", "https://a.example.com:443/x", False),
        ("http://a.example.com/", "http://a.example.com:80/x", False),
        ("https://a.example.com:8443/", "https://A.example.com:8443/x", False),
        ("https://a.example.com/", "https://me:pw@a.example.com/x", False),
        ("https://a.example.com/", "http://a.example.com/x", True),
        ("http://a.example.com/", "https://a.example.com/x", True),
        ("https://a.example.com/", "https://a.example.com:8443/x", True),
        ("https://a.example.com:8443/", "https://a.example.com/x", True),
        ("https://a.example.com/", "https://b.example.com/x", True),
        ("https://a.example.com/", "https://x.a.example.com/x", True),
        ("https://a.example.com/", "https://example.com/x", True),
        ("https://a.example.com/", "//b.example.com/x", True),
        ("https://a.example.com/", "https://a.example.com.evil.org/x", True),
        ("https://a.example.com/", "https://a.example.com@evil.org/x", True),
        ("http://127.0.0.1/", "http://localhost/x", True),
        ("http://[::1]/", "http://127.0.0.1/x", True),
    ],
)
def test_another_scheme_host_or_port_is_another_origin(base: str, location: str, crosses: bool) -> None:
    """An origin is scheme, host and port; nothing less may differ."""
    assert hop_to(location, URL(base)).crosses is crosses


SECRET = [
    ("Authorization", "a"),
    ("Proxy-Authorization", "b"),
    ("X-Api-Key", "c"),
    ("x-auth-token", "d"),
    ("Apikey", "e"),
]
PLAIN = [("Accept", "f"), ("User-Agent", "g"), ("X-Trace", "i")]
OF_OPERATION = [("Idempotency-Key", "h")]
OF_BODY = [("Content-Type", "j"), ("content-encoding", "k"), ("Content-Language", "l")]
CHOSEN_ANEW = [("Cookie", "m"), ("host", "n")]


@pytest.mark.parametrize("crosses", [False, True])
@pytest.mark.parametrize("keeps_body", [False, True])
def test_fields_that_go_along(keeps_body: bool, crosses: bool) -> None:
    """Credentials stay behind at another origin, fields of the body with the body, `Host` and `Cookie` in any case.

    A key that names an operation stays behind where the next request is another operation, or another server's.
    """
    hop = redirect.Hop("GET", HERE, keeps_body, crosses)
    kept = redirect.fields_for(hop, [*SECRET, *PLAIN, *OF_OPERATION, *OF_BODY, *CHOSEN_ANEW])
    operation = OF_OPERATION if keeps_body and not crosses else []
    assert kept == [*([] if crosses else SECRET), *PLAIN, *operation, *(OF_BODY if keeps_body else [])]


def test_every_copy_of_a_credential_stays_behind() -> None:
    """Repeated credentials, in whatever case, all stay behind."""
    hop = redirect.Hop("GET", HERE, keeps_body=True, crosses=True)
    assert redirect.fields_for(hop, [("authorization", "a"), ("AUTHORIZATION", "b"), ("Accept", "c")]) == [
        ("Accept", "c")
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("  7 ", 7.0),
        ("007", 7.0),
        ("Wed, 01 May 2024 12:00:30 GMT", 30.0),
        ("Wed, 01 May 2024 14:00:30 +0200", 30.0),
        ("Wednesday, 01-May-24 12:00:30 GMT", 30.0),
        ("Wed May  1 12:00:30 2024", 30.0),
        ("Wed, 01 May 2024 11:59:59 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    """Both forms of RFC 9110 and its old dates are read; what is past is now."""
    assert retry_after.seconds(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "-5", "+5", "5.5", "1e3", "5s", "soon", "inf", "nan", "\u0663", ",", "Wed, 01 May", "1 2 3 4 5",
        "Wed, 01 May 2024 99:00:00 GMT", "Wed, 99 May 2024 12:00:00 GMT", "Wed, 01 May 99999 12:00:00 GMT",
        "Wed, 01 May 99999999999999999999 12:00:00 GMT", "Wed, 01 May 2024 12:00:00 +99999999999999",
    ],
)  # fmt: skip
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    """What is neither seconds nor a date is no wish, and never an error of its own."""
    assert retry_after.seconds(value, NOW) is None


@pytest.mark.parametrize(("spaces", "seconds"), [(2046, None), (2047, 5.0)])
def test_a_retry_after_is_read_no_further_than_it_may_be_long(spaces: int, seconds: float | None) -> None:
    """Behind 2,048 characters nothing is looked at, however much a server writes."""
    answer = Response(429, [("Retry-After", "5" + " " * spaces + "x")])
    assert retry_after.asked(answer, NOW) == seconds


@pytest.mark.parametrize("digits", [18, 19, 400, 5000])
def test_a_huge_retry_after_is_just_long(digits: int) -> None:
    """However many digits a server writes, the number is finite and the policy bounds it."""
    asked = retry_after.seconds("9" * digits, NOW)
    assert asked is not None
    assert retry.delay(Retry(max_backoff=60), 0.5, asked) == 60


@settings(max_examples=100)
@given(moment=st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9000, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001 - they get one
def test_any_date_is_read(moment: dt.datetime) -> None:
    """A date is as many seconds away as it says, and never less than none."""
    moment = moment.replace(microsecond=0)
    seconds = retry_after.seconds(format_datetime(moment, usegmt=True), NOW)
    assert seconds == max(0.0, (moment - NOW).total_seconds())


DATE_PARTS = st.sampled_from(
    [
        "Wed,",
        "01",
        "May",
        "2024",
        "12:00:00",
        "GMT",
        "+0000",
        "-9999",
        "99999999999",
        "0",
        ":",
        "1:2:3",
        "Foo",
        "-",
        "\udcff",
    ]
)


@settings(max_examples=300)
@given(value=st.text(max_size=40) | st.lists(DATE_PARTS, max_size=8).map(" ".join))
def test_any_retry_after_is_read(value: str) -> None:
    """Whatever a server writes, it is seconds from 0 on or nothing."""
    seconds = retry_after.seconds(value, NOW)
    assert seconds is None or seconds >= 0
