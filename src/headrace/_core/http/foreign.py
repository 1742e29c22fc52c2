"""What an answer is that is not HTTP, told by how it begins."""

from __future__ import annotations

from headrace.errors import ProtocolError

_TLS_ALERT = 0x15  # RFC 8446, section 5.1: how a TLS server answers plain text


def not_http(data: bytes) -> ProtocolError:
    """Make the error for bytes that no HTTP answer begins with.

    Args:
        data: At least one byte.
    """
    hint = "; this is TLS: the uri has to begin with https://" if data[0] == _TLS_ALERT else ""
    return ProtocolError(f"the answer is not HTTP: it begins {data[:64]!r}{hint}")
