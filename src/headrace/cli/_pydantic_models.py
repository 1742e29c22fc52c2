"""The pydantic twins of the demo's models live here; imported only where they are used."""

from __future__ import annotations

from headrace.cli._models import Formats, Numbered
from headrace.compat.pydantic import PaginatedResponse, Response


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


class CountryDetail(Country):
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


#: Kind of record -> its models.
KIT = {
    "countries": Formats(list[Country], Country, CountryDetail),
    "subdivisions": Formats(SubdivisionPage, Subdivision, Subdivision),
    "languages": Formats(LanguagePage, Language, Language),
}
