"""What the demo's server says, as headrace's own models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from headrace.models import BaseModel, PaginatedResponse, Response


class Limit(BaseModel):
    """The advertised limit: so many requests in any window of so many seconds."""

    requests: int
    seconds: int


class Index(Response):
    """What the API has."""

    source: str
    totals: dict[str, int]
    limit: Limit


class Usage(Response):
    """What the server has done so far."""

    served: int
    refused: int


class Country(Response):
    """A country of ISO 3166-1."""

    alpha_2: str
    alpha_3: str
    numeric: str
    name: str
    flag: str
    official_name: str | None = None
    common_name: str | None = None


class Subdivision(Response):
    """A part of a country, ISO 3166-2."""

    code: str
    name: str
    type: str
    country_code: str
    parent_code: str | None = None


class CountryDetail(Country, kw_only=True):
    """A country with its parts."""

    subdivisions: list[Subdivision]


class Language(Response):
    """A language of ISO 639-3."""

    alpha_3: str
    name: str
    scope: str
    type: str
    alpha_2: str | None = None
    inverted_name: str | None = None
    common_name: str | None = None
    bibliographic: str | None = None


class Numbered:
    """Says, as query parameters, where the other pages of this API are."""

    __slots__ = ()

    if TYPE_CHECKING:
        page: int
        pages: int

    def is_paginating(self) -> bool:
        """Tell whether there are other pages."""
        return self.pages > 1

    def next(self) -> dict[str, int] | None:
        """Return the parameters of the next page; `None` at the last one."""
        return {"page": self.page + 1} if self.page < self.pages else None

    def previous(self) -> dict[str, int] | None:
        """Return the parameters of the page before this one; `None` at the first one."""
        return {"page": self.page - 1} if self.page > 1 else None

    def start(self) -> dict[str, int]:
        """Return the parameters of the first page."""
        return {"page": 1}

    def end(self) -> dict[str, int]:
        """Return the parameters of the last page."""
        return {"page": self.pages}


class SubdivisionPage(Numbered, PaginatedResponse):
    """Some of all subdivisions."""

    page: int
    pages: int
    total: int
    items: list[Subdivision]


class LanguagePage(Numbered, PaginatedResponse):
    """Some of all languages."""

    page: int
    pages: int
    total: int
    items: list[Language]


@attrs.frozen
class Formats:
    """The `response_format`s of one kind of record.

    Args:
        listing: Its list, or one page of it.
        listed: A record in there.
        single: A record by itself.
    """

    listing: Any
    listed: Any
    single: Any


#: Kind of record -> its models.
KIT = {
    "countries": Formats(list[Country], Country, CountryDetail),
    "subdivisions": Formats(SubdivisionPage, Subdivision, Subdivision),
    "languages": Formats(LanguagePage, Language, Language),
}
