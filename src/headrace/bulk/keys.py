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
#: So many digests are few.
_FEW: Final = 65_536
_AT_ONCE: Final = 8
_BUCKETS: Final = 65_536
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
    """A set of digests, few in a `set`, and many packed: 65,536 texts of sixteen bytes each.

    A million takes 19 MB so, and 93 in a `set`, which is faster as long as it fits into the processor's cache.

    Args:
        digests: Those that it begins with.
    """

    __slots__ = ("_buckets", "_few", "_packed")

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self._buckets: list[bytes] = []
        self._packed = 0  # how many are in the buckets
        self._few: set[bytes] = set()
        for each in digests:
            self.add(each)

    def __len__(self) -> int:
        return self._packed + len(self._few)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self._few or (self._packed > 0 and self._is_packed(digest))

    def add(self, digest: bytes) -> bool:
        """Put a digest in; tells whether it was not there."""
        few = self._few
        # `digest in self`, spelled out: that would be 2 % of all instructions of a call with a journal.
        if digest in few or (self._packed and self._is_packed(digest)):
            return False
        if not self._packed and len(few) < _FEW:
            few.add(digest)
            return True
        # In small steps: all of them at once would hold the loop up.
        self.load(b"".join([digest, *[few.pop() for _ in range(min(_AT_ONCE, len(few)))]]))
        return True

    def discard(self, digest: bytes) -> None:
        """Take a digest out, if it is there."""
        self._few.discard(digest)
        if not self._packed:
            return
        index = digest[0] << 8 | digest[1]
        bucket = self._buckets[index]
        for at in range(0, len(bucket), SIZE):
            if bucket[at : at + SIZE] == digest:
                self._buckets[index] = bucket[:at] + bucket[at + SIZE :]
                self._packed -= 1
                return

    def load(self, packed: bytes) -> None:
        """Put in many that stand one behind the other, of which none is there yet."""
        self._buckets = buckets = self._buckets or [b""] * _BUCKETS
        for at in range(0, len(packed), SIZE):
            buckets[packed[at] << 8 | packed[at + 1]] += packed[at : at + SIZE]
        self._packed += len(packed) // SIZE

    def _is_packed(self, digest: bytes) -> bool:
        bucket = self._buckets[digest[0] << 8 | digest[1]]
        at = bucket.find(digest)
        while at > 0 and at % SIZE:  # two that stand side by side may look like a third
            at = bucket.find(digest, at + 1)
        return at >= 0
