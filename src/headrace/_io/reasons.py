"""Why there is no connection, or none in time, in words that say what can be done."""

from __future__ import annotations

import ssl
from typing import Final

from headrace.errors import PoolTimeout, RequestTimeout

#: What OpenSSL calls an answer that is not TLS.
_NO_TLS: Final = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNSUPPORTED_PROTOCOL"}
)
#: Codes of OpenSSL's verification (x509_vfy.h): of a host or address, and of a time that is not the certificate's.
_OF_ANOTHER_NAME: Final = frozenset({62, 64})
_OF_ANOTHER_TIME: Final = frozenset({9, 10})


def crowded(origin: str, seconds: float | None) -> PoolTimeout:
    """Say that no connection became free in time.

    Args:
        origin: Scheme, host and port.
        seconds: How long was waited for one.
    """
    message = f"no connection to {origin} became free within {seconds:g} s (Timeout.pool); see PoolLimits"
    return PoolTimeout(message, maybe_sent=False)


def slow(origin: str, seconds: float | None) -> RequestTimeout:
    """Say that no connection was made in time; takes what `crowded` takes."""
    return RequestTimeout(f"no connection to {origin} within {seconds:g} s (Timeout.connect)", maybe_sent=False)


def before_an_answer(origin: str) -> str:
    """Say when a connection has ended, and what that may be about: TLS servers hang up on whom they do not understand.

    Args:
        origin: Scheme, host and port.
    """
    hint = "; if this is a TLS port, the uri has to begin with https://" if origin.startswith("http://") else ""
    return f"before any byte of an answer{hint}"


def of(cause: Exception, *, named: bool = True) -> str:
    """Say why a connection could not be made.

    Args:
        cause: What the system or OpenSSL said.
        named: Whether the host has an address; else it is its name that was not found.
    """
    if not named:
        return f"{_told(cause)}; look for a slip in the host, or whether there is a network"
    return _told(cause) + _remedy(cause)


def _told(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause.strerror}" if isinstance(cause, OSError) and cause.strerror else str(cause)


def _remedy(cause: Exception) -> str:
    """Say what can be done where a connection could not be made, as the end of a sentence."""
    if isinstance(cause, ConnectionRefusedError):
        return "; nothing listens on this port"
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _OF_ANOTHER_NAME:
            return "; the uri has to name the host as its certificate does"
        if cause.verify_code in _OF_ANOTHER_TIME:
            return "; the server has to renew its certificate, or this machine's clock is wrong"
        return '; to trust a certificate of your own, give tls=ssl.create_default_context(cafile="…")'
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "; what listens on this port does not speak TLS: is the uri http://?"
    return ""
