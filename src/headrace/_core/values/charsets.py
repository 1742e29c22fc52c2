"""Which charsets a server's text may name is told here: a table that is made once.

Python's own look-up keeps every name that it was ever asked for, the unknown ones too, for as long as the process
lives. So nothing that a server says reaches it but the names in this table.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases
from typing import Final

#: Encodings with an alias that are no charsets; `punycode` and others like it have none, and are not in the table.
_NOT_CHARSETS: Final = frozenset(
    ("base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "uu_codec", "zlib_codec")
)
#: Charsets that Python has under their own name alone.
_WITHOUT_ALIAS: Final = (
    *("cp1006", "cp720", "cp737", "cp856", "cp874", "cp875", "iso8859_1", "koi8_t", "koi8_u"),
    *("mac_arabic", "mac_croatian", "mac_farsi", "mac_romanian", "palmos", "utf_8_sig"),
)
#: Characters of the longest name in the table, and some more.
_MOST_TEXT: Final = 64
_SEPARATORS = re.compile(r"[^0-9a-z]+")


def _plain(name: str) -> str:
    return _SEPARATORS.sub("_", name.lower()).strip("_")


_BY_ALIAS: Final = {_plain(alias): codec for alias, codec in aliases.items() if codec not in _NOT_CHARSETS}
_KNOWN: Final = _BY_ALIAS | {codec: codec for codec in (*_BY_ALIAS.values(), *_WITHOUT_ALIAS)}


def find(name: str) -> str | None:
    """Find Python's encoding for a charset.

    Args:
        name: Its name, as a server writes it.

    Returns:
        The one name under which Python is asked for it; `None` where it is unknown.
    """
    return _KNOWN.get(_plain(name)) if len(name) <= _MOST_TEXT else None
