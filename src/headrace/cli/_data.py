"""The data set: pycountry's ISO 3166 and ISO 639 codes as plain records, the same for server and client."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pycountry

#: Records on one page.
PER_PAGE: Final = 100

#: Kind of record -> the field that names one.
KEYS: Final = {"countries": "alpha_2", "subdivisions": "code", "languages": "alpha_3"}

_FIELDS: Final = {
    "countries": ("alpha_2", "alpha_3", "numeric", "name", "flag", "official_name", "common_name"),
    "subdivisions": ("code", "name", "type", "country_code", "parent_code"),
    "languages": (
        "alpha_3", "alpha_2", "name", "inverted_name", "common_name", "bibliographic", "scope", "type",
    ),
}  # fmt: skip
#: How much of each kind is kept for a quick run.
_QUICK: Final = {"countries": 40, "subdivisions": 250, "languages": 250}

Record = dict[str, Any]


@attrs.frozen
class Records:
    """The whole data set.

    Args:
        version: The version of pycountry.
        listed: Kind to its records, as a list shows them.
        single: Kind to the code of each record, and what is behind it: a country has its subdivisions there.
    """

    version: str
    listed: dict[str, list[Record]]
    single: dict[str, dict[str, Record]]

    def requests(self, kinds: tuple[str, ...]) -> int:
        """Count the requests that fetch some kinds: their lists, and each record by itself."""
        return sum(len(pages(kind, self.listed[kind])) + len(self.listed[kind]) for kind in kinds)


def load(*, quick: bool = False) -> Records:
    """Read the data set.

    Args:
        quick: Whether to keep only the first records of each kind.

    Returns:
        All records.
    """
    listed = {}
    for kind, names in _FIELDS.items():
        rows = list(getattr(pycountry, kind))[: _QUICK[kind] if quick else None]
        found = [{name: getattr(row, name, None) for name in names} for row in rows]
        # What is missing is left out, as it is in the original.
        listed[kind] = [{name: value for name, value in row.items() if value is not None} for row in found]
    single = {kind: {row[KEYS[kind]]: row for row in rows} for kind, rows in listed.items()}
    inside: dict[str, list[Record]] = {}
    for row in listed["subdivisions"]:
        inside.setdefault(row["country_code"], []).append(row)
    single["countries"] = {
        code: {**row, "subdivisions": inside.get(code, [])} for code, row in single["countries"].items()
    }
    return Records(str(pycountry.__version__), listed, single)


def pages(kind: str, rows: list[Record]) -> list[Any]:
    """Cut the list of a kind into the documents that show it.

    Args:
        kind: Which kind it is; countries are few, and are one plain array.
        rows: The list.

    Returns:
        What each page says.
    """
    if kind == "countries":
        return [rows]
    starts = range(0, len(rows), PER_PAGE)
    return [
        {"page": number, "pages": len(starts), "total": len(rows), "items": rows[start : start + PER_PAGE]}
        for number, start in enumerate(starts, 1)
    ]
