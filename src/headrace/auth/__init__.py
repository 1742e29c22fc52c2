"""How a client proves who it is: fixed credentials, and those that are asked for and run out.

An `Auth` gives `Credentials` when it is asked. The client keeps them, sends them to its own origin and the trusted
ones, and asks again when they run out or a server answers 401: once, however many requests wait for them.
"""

from typing import TYPE_CHECKING, Any

from headrace._core.request.credentials import Credentials
from headrace.types import Auth, Send

if TYPE_CHECKING:
    from headrace.auth._fixed import APIKey, BasicAuth, BearerAuth, HeaderAuth
    from headrace.auth._oauth2 import OAuth2ClientCredentials, OAuth2RefreshToken

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


def __getattr__(name: str) -> Any:
    """Import what gives credentials when somebody asks for it: few need it, and everybody would wait for it."""
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    if name.startswith("OAuth2"):
        from headrace.auth import _oauth2

        return getattr(_oauth2, name)
    from headrace.auth import _fixed

    return getattr(_fixed, name)
