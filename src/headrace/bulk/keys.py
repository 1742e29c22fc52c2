"""What a journal knows a call by: sixteen bytes of its key or of what it names; and many of them in little room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from headrace import _redact
from headrace._checks import wrong
from headrace._core.request import encode
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._core.call import Call

#: Bytes of a digest.
SIZE: Final = 16
#: What every digest begins from: a copy costs less than to begin anew.
_EMPTY: Final = blake2b(digest_size=SIZE)


def digest(call: Call, place: Callable[[Any], str], without: str | None = None) -> bytes:
    """Digest a call: its key, else its method, joined path, parameters, body, and headers that are no credentials.

    Args:
        call: The call.
        place: Joins its path to that of the client.
        without: A parameter that is no part of it, or `None`.

    Returns:
        Sixteen bytes (BLAKE2b, RFC 7693).

    Raises:
        headrace.errors.ValidationError: Something of it cannot be digested, such as a body that is read once.
    """
    try:
        return _digest(call, place, without)
    except UnicodeEncodeError as error:
        raise ValidationError(f"has text that cannot be encoded: {error.reason}") from _redact.emptied(error)


def _digest(call: Call, place: Callable[[Any], str], without: str | None) -> bytes:
    if call.key is not None:
        if not isinstance(call.key, str):
            raise ValidationError(f"key: got {type(call.key).__name__}, takes a str")
        return _hash(f"key\n{call.key}".encode())
    method = call.method
    if not isinstance(method, str):
        raise wrong("method", method, "a token such as GET")
    named = f"call\n{method if method == 'GET' else method.upper()} {place(call.path)}"
    parameters = call.parameters
    if without is not None and parameters is not None:
        named_ones = encode.mapping(parameters, "parameters").items()
        parameters = {name: value for name, value in named_ones if name != without} or None
    if parameters is None and call.body is None and call.data is None and call.headers is None:
        return _hash(named.encode())
    parts = [named.encode()]
    if parameters is not None:
        parts.append(b"?" + encode.query(encode.mapping(parameters, "parameters")).encode())
    if call.headers is not None:
        fields = [encode.header(name, value) for name, value in encode.mapping(call.headers, "headers").items()]
        shown = sorted((name.lower(), value) for name, value in fields if not _redact.is_secret(name))
        parts.append(b"h" + repr(shown).encode())
    if call.body is not None:
        parts.append(b"b" + encode.body(call.body))
    if call.data is not None:
        parts.append(_data(call.data))
    return _hash(b"\0".join(parts))


def _hash(data: bytes) -> bytes:
    state = _EMPTY.copy()
    state.update(data)
    return state.digest()


def _data(data: Any) -> bytes:
    """Write what a call sends as it is, and what kind of content that is: a text is no form that looks like it."""
    if isinstance(data, str):
        return b"t" + data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return b"d" + bytes(data)
    if isinstance(data, Mapping):
        return b"f" + encode.form(data)
    message = f"key: is needed where data is a {type(data).__name__}, whose bytes are read once; give the call a key="
    raise ValidationError(message)


class Digests:
    """A set of digests: 65,536 texts of sixteen bytes each, so that a million takes 19 MB and not 93.

    Args:
        digests: Those that it begins with.
    """

    __slots__ = ("_buckets", "_count")

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self._buckets: list[bytes] = [b""] * 65536
        self._count = 0
        for each in digests:
            self.add(each)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, digest: bytes) -> bool:
        bucket = self._buckets[digest[0] << 8 | digest[1]]
        at = bucket.find(digest)
        while at > 0 and at % SIZE:  # two that stand side by side may look like a third
            at = bucket.find(digest, at + 1)
        return at >= 0

    def add(self, digest: bytes) -> bool:
        """Put a digest in; tells whether it was not there."""
        buckets = self._buckets
        index = digest[0] << 8 | digest[1]
        bucket = buckets[index]
        if bucket and digest in self:
            return False
        buckets[index] = bucket + digest
        self._count += 1
        return True

    def discard(self, digest: bytes) -> None:
        """Take a digest out, if it is there."""
        index = digest[0] << 8 | digest[1]
        bucket = self._buckets[index]
        for at in range(0, len(bucket), SIZE):
            if bucket[at : at + SIZE] == digest:
                self._buckets[index] = bucket[:at] + bucket[at + SIZE :]
                self._count -= 1
                return

    def load(self, packed: bytes) -> None:
        """Put in many that stand one behind the other, of which none is there yet."""
        buckets = self._buckets
        for at in range(0, len(packed), SIZE):
            buckets[packed[at] << 8 | packed[at + 1]] += packed[at : at + SIZE]
        self._count += len(packed) // SIZE
