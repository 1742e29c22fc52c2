"""Which names hide a secret, and how a URL looks where it is shown."""

import pytest
from yarl import URL

from headrace import _redact

SECRET = [
    "Authorization",
    "proxy-authorization",
    "Cookie",
    "Set-Cookie",
    "X-Api-Key",
    "apiKey",
    "api_key",
    "access_token",
]
SECRET += [
    "client_secret",
    "password",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "sessionid",
    "key",
    "Ocp-Apim-Subscription-Key",
    "X-Amz-Security-Token",
    "X-Goog-Signature",
    "X-Goog-Credential",
    "sig",
    "appid",
    "app_id",
    "accessKey",
    "AWSAccessKeyId",
    "subscriptionKey",
    "signingKey",
    "PHPSESSID",
    "connect.sid",
    "csrf",
    "jwt",
    "passphrase",
    "SAMLResponse",
]
PLAIN = ["Accept", "Content-Type", "Idempotency-Key", "author", "page", "keyword", "monkey", "WWW-Authenticate", "q"]
PLAIN += ["design", "sigma", "inside", "spin", "compass", "Location", "ETag", "MONKEY", "side", "sort"]


@pytest.mark.hazard(45)
def test_which_names_hide_a_secret() -> None:
    """Names of credentials are masked wherever they are, and names that only look so are not."""
    assert [name for name in SECRET if not _redact.is_secret(name)] == []
    assert [name for name in PLAIN if _redact.is_secret(name)] == []


@pytest.mark.hazard(45)
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example.com/v1?page=1", "https://a.example.com/v1?page=1"),
        ("https://me:pw@a.example.com:8443/v1", "https://a.example.com:8443/v1"),
        ("https://me@a.example.com/", "https://a.example.com/"),
        ("https://a.example.com/?api_key=pw&page=1", "https://a.example.com/?api_key=***&page=1"),
        ("https://a.example.com/?key=pw&monkey=1", "https://a.example.com/?key=***&monkey=1"),
        ("https://a.example.com/?API%5FKEY=pw", "https://a.example.com/?API_KEY=***"),
        ("https://a.example.com/?user.token=pw&token", "https://a.example.com/?user.token=***&token=***"),
        ("https://a.example.com/?x=1#access_token=pw", "https://a.example.com/?x=1"),
        ("https://a.example.com/?sv=1&sig=pw", "https://a.example.com/?sv=1&sig=***"),
        ("https://a.example.com/?appid=pw&q=x", "https://a.example.com/?appid=***&q=x"),
        ("https://a.example.com/?accessKey=pw", "https://a.example.com/?accessKey=***"),
    ],
)
def test_how_a_url_is_shown(url: str, shown: str) -> None:
    """A shown URL has no userinfo, no fragment, and no values of secret parameters."""
    assert _redact.url(url) == _redact.url(URL(url)) == shown
