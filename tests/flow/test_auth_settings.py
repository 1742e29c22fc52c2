"""How credentials are configured: what is refused, what excludes what, and when tokens run out."""

import string
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient, ClientConfig, errors
from headrace._core.request import oauth2
from headrace._core.request.credentials import Credentials, added, carried, exchanged, without
from headrace._core.request.encode import query
from headrace.auth import (
    APIKey,
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
)

TOKEN_URL = "https://login.example.com/token"


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: HeaderAuth(5), "headers"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: HeaderAuth({"X Y": "v"}), "headers"),
        (lambda: HeaderAuth({"X": "canary\r\nY: z"}), "headers"),
        (lambda: HeaderAuth({"X": 5}), "headers"),
        (lambda: BasicAuth("a:canary", "p"), "user"),
        (lambda: BasicAuth(None, "p"), "user"),
        (lambda: BasicAuth("u", b"canary"), "password"),
        (lambda: BearerAuth(5), "bearer_token"),
        (lambda: BearerAuth(""), "bearer_token"),
        (lambda: BearerAuth("canary\n"), "bearer_token"),
        (lambda: APIKey("canary"), "header and query"),
        (lambda: APIKey("canary", header="X", query="x"), "header and query"),
        (lambda: APIKey("", header="X"), "value"),
        (lambda: APIKey(5, header="X"), "value"),
        (lambda: APIKey("canary", header=""), "header"),
        (lambda: APIKey("canary", query=5), "query"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: APIKey("canary\n", header="X"), "headers"),
        (lambda: OAuth2ClientCredentials("login", "me", "canary"), "token_url"),
        (lambda: OAuth2ClientCredentials("http://me:canary@a.example", "me", "s"), "token_url"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, 5, "canary"), "client_id"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", None), "client_secret"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", ""), "client_secret"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", scope=5), "scope"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", extra="canary"), "extra"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", extra={"a": 5}), "extra"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", client_auth="jwt"), "client_auth"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", leeway=-1), "leeway"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", timeout=0), "timeout"),
        (lambda: OAuth2ClientCredentials(TOKEN_URL, "me", "s", clock=5), "clock"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: OAuth2RefreshToken(TOKEN_URL, 5, "me"), "refresh_token"),
        (lambda: OAuth2RefreshToken(TOKEN_URL, "r", "me", 5), "client_secret"),
        (lambda: OAuth2RefreshToken(TOKEN_URL, "r", "me", on_refresh="canary"), "on_refresh"),  # type: ignore[arg-type] # wrong on purpose
        (lambda: Credentials(headers={"X": "canary\n"}), "headers"),
        (lambda: Credentials(parameters={5: "canary"}), "parameters"),  # type: ignore[dict-item] # wrong on purpose
        (lambda: Credentials(expires_at="canary"), "expires_at"),  # type: ignore[arg-type] # wrong on purpose
    ],
)
def test_a_wrong_value_is_named_and_not_shown(make: Any, names: str) -> None:
    """The error names the argument, where it is given, and never shows a value."""
    with pytest.raises(errors.ValidationError, match=f"^{names}") as caught:
        make()
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("value", [5, "token", object(), BasicAuth, lambda: None])
def test_what_is_no_auth_is_refused(value: Any) -> None:
    """A class, a function or text is no `Auth`, in the constructor, a class and an assignment."""
    with pytest.raises(errors.ValidationError, match=r"auth: got .* takes an Auth"):
        AsyncClient("http://a.example", auth=value)
    with pytest.raises(errors.ValidationError, match=r"auth: got .* takes an Auth"):
        AsyncClient("http://a.example").auth = value


def test_auth_and_bearer_token_exclude_each_other() -> None:
    """Both at once are an error; the later one takes the place of an inherited one."""
    with pytest.raises(errors.ValidationError, match="auth and bearer_token: give one of them"):
        AsyncClient("http://a.example", auth=BasicAuth("u", "p"), bearer_token="t")
    with pytest.raises(errors.ValidationError, match="auth and bearer_token: give one of them"):
        ClientConfig(uri="http://a.example", auth=BasicAuth("u", "p"), bearer_token="t")

    class WithToken(AsyncClient, uri="http://a.example", bearer_token="t"):
        """A token."""

    class WithAuth(WithToken, auth=BasicAuth("u", "p")):
        """Something else."""

    class Without(WithAuth, auth=None):
        """Nothing."""

    assert WithToken().bearer_token == "t"
    assert WithToken(auth=APIKey("k", header="X")).auth == APIKey("k", header="X")
    assert WithAuth().bearer_token is None
    assert (WithAuth(bearer_token="t").bearer_token, WithAuth().auth) == ("t", BasicAuth("u", "p"))
    assert Without().auth is None


NAMES = st.text(string.ascii_letters + " &=é", min_size=1, max_size=3)
QUERIES = st.dictionaries(NAMES, st.text(max_size=3).filter(bool), max_size=3)


@given(QUERIES, QUERIES, QUERIES)
def test_an_exchanged_query_has_the_new_and_not_the_old(
    others: dict[str, str], old: dict[str, str], new: dict[str, str]
) -> None:
    """Whatever the names and values, what was carried is gone, what is new is carried, and nothing else changes."""
    others = {name: value for name, value in others.items() if name not in old and name not in new}
    before, after = Credentials(parameters=old), Credentials(parameters=new)
    target = "/x?" + query({**others, **old}) if others or old else "/x"
    assert carried(before, [], target)
    _, written = exchanged([], target, before, after)
    assert parse_qsl(written.partition("?")[2], keep_blank_values=True) == [*others.items(), *new.items()]
    assert without(query({**others, **old}), before) == query(others)
    assert parse_qsl(added(query(others), after), keep_blank_values=True) == [*others.items(), *new.items()]


@given(st.floats(0, 1e9), st.floats(0.001, 1e9), st.floats(0, 1e6))
def test_a_token_is_renewed_within_its_life(began: float, expires_in: float, leeway: float) -> None:
    """Never after its end less the leeway where that leaves half of its life, and never before half of it."""
    due = oauth2.expires_at(began, expires_in, leeway)
    assert due is not None
    assert began + expires_in / 2 <= due <= began + expires_in
    if leeway <= expires_in / 2:
        assert due == began + (expires_in - leeway)


@pytest.mark.parametrize("expires_in", [None, 0.0, -1.0, float("inf"), float("nan")])
def test_a_life_that_is_none_tells_nothing(expires_in: float | None) -> None:
    """What is no time above 0 does not expire a token."""
    assert oauth2.expires_at(5.0, expires_in, 30.0) is None
