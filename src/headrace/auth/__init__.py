"""How a client proves who it is lives here: fixed credentials, and those that are asked for and run out.

An `Auth` gives `Credentials` when it is asked. The client keeps them, sends them to its own origin and the trusted
ones, and asks again when they run out or a server answers 401: once, however many requests wait for them.
"""

from headrace._core.credentials import Credentials
from headrace.auth._fixed import APIKey, BasicAuth, BearerAuth, HeaderAuth
from headrace.auth._oauth2 import OAuth2ClientCredentials, OAuth2RefreshToken
from headrace.types import Auth, Send

__all__ = [
    "APIKey",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "Credentials",
    "HeaderAuth",
    "OAuth2ClientCredentials",
    "OAuth2RefreshToken",
    "Send",
]
