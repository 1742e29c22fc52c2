"""A series that gives only what is new begins at the mark of the one before it, and each row comes once.

A mark is the greatest value that a field of the rows had when a series ended. Rows at the mark, and those at most
`lag` below it, may come again: they are remembered by a digest. All others are told by their value alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import msgspec

from headrace._checks import given
from headrace._core.pages import compared
from headrace._core.pages.incremental import as_keys
from headrace._core.request import encode
from headrace._core.values import places
from headrace.errors import PaginationError, ValidationError

if TYPE_CHECKING:
    from headrace._core.pages.incremental import Incremental

_MISSING: Final = msgspec.UNSET
_SIZE: Final = 16
_encode: Final = msgspec.json.Encoder(enc_hook=encode.plain, order="deterministic").encode


class Marks(msgspec.Struct, frozen=True):
    """What a series knows of the rows before it, and of its own.

    Attributes:
        mark: The greatest value of the series before it; `None`: there was none.
        edge: From where on `seen` is whole.
        seen: The values of the rows from there on, by digest.
        top: The greatest value so far.
        fresh: The values of the rows of this series that may come again, by digest.
    """

    mark: Any = None
    edge: Any = None
    seen: Mapping[bytes, Any] = {}
    top: Any = None
    fresh: Mapping[bytes, Any] = {}


class Sieve:
    """Lets through the rows of a series that are new.

    Args:
        incremental: What the caller asked for.
        row_format: What a row is.

    Attributes:
        field: The place of what is compared, as errors show it.
        parameter: What the mark is sent as, or `None`.

    Raises:
        headrace.errors.ValidationError: The format has no such field, or its values have no such bounds.
    """

    def __init__(self, incremental: Incremental, row_format: Any) -> None:
        self._asked = incremental
        self._path = places.as_path(incremental.field, "field")
        self._keys = as_keys(incremental.row_key)
        self.field = places.shown(self._path)
        self.parameter = incremental.parameter
        kind = compared.kind_at(row_format, self._path, "field")
        for key in self._keys:
            compared.kind_at(row_format, key, "row_key")
        initial, end = incremental.initial, incremental.end
        if kind is not None:
            initial, end = self._bound("initial", initial, kind), self._bound("end", end, kind)
            if incremental.lag is not None:
                self._check_lag(kind)
        self._initial = initial
        self._end = end

    # -- the bounds

    def _bound(self, name: str, value: Any, kind: type) -> Any:
        if value is None or type(value) is kind or (isinstance(value, compared.NUMBERS) and kind in compared.NUMBERS):
            return value
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError:
            message = f"incremental: {name}: got {given('incremental', value)}, and {self.field} is a {kind.__name__}"
            raise ValidationError(message) from None

    def _check_lag(self, kind: type) -> None:
        lag = type(self._asked.lag).__name__
        if kind in compared.NUMBERS and lag == "timedelta":
            message = f"incremental: lag: got timedelta, and {self.field} is a number; give a number"
            raise ValidationError(message)
        if kind in (str, UUID, time):
            what = "text" if kind is str else kind.__name__
            message = f"incremental: lag: got {lag}, and {self.field} is {what}, which nothing can be taken from"
            raise ValidationError(f"{message}; give the model a type such as datetime or int there")

    def _less(self, value: Any) -> Any:
        """Take the lag from a value."""
        lag: Any = self._asked.lag
        if lag is None:
            return value
        try:
            self._check_lag(type(value))
        except ValidationError as error:  # the model says nothing of the type
            raise PaginationError(str(error)) from None
        if isinstance(value, (date, timedelta)):
            lag = lag if isinstance(lag, timedelta) else timedelta(seconds=float(lag))
        elif Decimal in (type(value), type(lag)):
            value, lag = Decimal(str(value)), Decimal(str(lag))
        try:
            return value - lag
        except OverflowError:
            return value.min

    def floor(self, marks: Marks) -> Any:
        """Find the value below which rows are too old; `None` where none are."""
        if marks.mark is None:
            return self._initial
        floor = self._less(marks.mark)
        return marks.edge if marks.edge is not None and floor < marks.edge else floor

    def parameters(self, marks: Marks) -> dict[str, Any]:
        """Name what the requests of a series say of its mark."""
        said = self._asked.initial if marks.mark is None else self.floor(marks)  # the one as it was written
        return {} if self.parameter is None or said is None else {self.parameter: said}

    # -- the rows

    def sift(self, marks: Marks, rows: list[Any]) -> tuple[list[Any], Marks, bool]:
        """Take the rows of a page that are new.

        Args:
            marks: What is known before the page.
            rows: Its rows.

        Returns:
            Those that are new, what is known behind the page, and whether the series ends there.

        Raises:
            headrace.errors.PaginationError: A row has nothing to compare, or what cannot be compared.
        """
        if not rows:
            return rows, marks, False
        values = [self._value(row, index) for index, row in enumerate(rows)]
        try:
            return self._sifted(marks, rows, values)
        except TypeError as error:
            message = f"incremental: the values at {self.field} do not compare: {error}"
            raise PaginationError(message) from None

    def _sifted(self, marks: Marks, rows: list[Any], values: list[Any]) -> tuple[list[Any], Marks, bool]:
        order = self._asked.order
        floor, end = self._like(self.floor(marks), values[0], "initial"), self._like(self._end, values[0], "end")
        top, stop = marks.top, False
        new: list[tuple[Any, Any]] = []
        for row, value in zip(rows, values, strict=True):
            if floor is not None and value < floor:
                if order == "desc":
                    stop = True
                    break
            elif end is not None and value >= end:
                if order == "asc":
                    stop = True
                    break
            elif not marks.seen or value < marks.edge or self._digest(row, value) not in marks.seen:
                new.append((row, value))
                if top is None or value > top:
                    top = value
        if not new:
            return [], marks, stop
        edge = self._less(top if marks.mark is None or top > marks.mark else marks.mark)
        fresh = {digest: value for digest, value in marks.fresh.items() if value >= edge}
        fresh |= {self._digest(row, value): value for row, value in new if value >= edge}
        return [row for row, _ in new], msgspec.structs.replace(marks, top=top, fresh=fresh), stop

    def ended(self, marks: Marks) -> Marks:
        """Move the mark: the series has ended."""
        if marks.top is None:
            return msgspec.structs.replace(marks, top=None, fresh={})
        mark = marks.top if marks.mark is None or marks.top > marks.mark else marks.mark
        edge = self._less(mark)
        if marks.edge is not None and edge < marks.edge:
            edge = marks.edge
        seen = {digest: value for digest, value in marks.seen.items() if value >= edge}
        seen |= {digest: value for digest, value in marks.fresh.items() if value >= edge}
        return Marks(mark, edge, seen)

    def _value(self, row: Any, index: int) -> Any:
        found = compared.at(row, self._path)
        if not compared.is_value(found):
            nothing = found is None or found is _MISSING
            what = "nothing" if nothing else f"a {type(found).__name__} that does not compare"
            message = f"incremental: row {index} of the page has {what} at {self.field}"
            raise PaginationError(message)
        return found

    def _like(self, bound: Any, value: Any, name: str) -> Any:
        """Make a bound of the kind of a value."""
        if bound is None:
            return None
        try:
            return self._bound(name, bound, type(value))
        except ValidationError as error:
            raise PaginationError(str(error)) from None

    def _digest(self, row: Any, value: Any) -> bytes:
        what = [compared.at(row, key) for key in self._keys] if self._keys else row
        try:
            text = _encode([value, [None if each is _MISSING else each for each in what] if self._keys else what])
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            message = f"incremental: a row cannot be told from others ({type(error).__name__}); give row_key="
            raise PaginationError(message) from None
        return blake2b(text, digest_size=_SIZE).digest()

    # -- the state

    def written(self, marks: Marks) -> dict[str, Any]:
        """Write marks so that JSON knows them."""
        known: dict[str, Any] = {"field": self.field}
        for name in ("mark", "edge", "top"):
            value = getattr(marks, name)
            if value is not None:
                known[name] = compared.plain(value)
        for name in ("seen", "fresh"):
            rows = getattr(marks, name)
            if rows:
                known[name] = {digest.hex(): compared.plain(value) for digest, value in rows.items()}
        return known

    def read(self, known: Any) -> Marks:
        """Read what `written` has written.

        Raises:
            headrace.errors.ValidationError: It is nothing of the kind, or of another field.
        """
        takes = "the .state of a series with the same incremental="
        if not isinstance(known, dict):
            message = f"resume: is of a series without incremental=, takes {takes}"
            raise ValidationError(message)
        if known.get("field") != self.field:
            message = f"resume: has the mark of another field than {self.field}, takes {takes}"
            raise ValidationError(message)
        try:
            mark, edge, top = (
                compared.read(known[name]) if name in known else None for name in ("mark", "edge", "top")
            )
            seen, fresh = (
                {bytes.fromhex(digest): compared.read(value) for digest, value in known.get(name, {}).items()}
                for name in ("seen", "fresh")
            )
        except (TypeError, ValueError, AttributeError, KeyError):
            message = f"resume: its marks cannot be read, takes {takes}"
            raise ValidationError(message) from None
        return Marks(mark, edge, seen, top, fresh)


def sieve_for(incremental: Incremental, row_format: Any) -> Sieve:
    """Find what lets new rows through; it is made once for all series like this one.

    Raises:
        headrace.errors.ValidationError: See `Sieve`.
    """
    try:
        return _cached(incremental, row_format)
    except TypeError:  # not hashable
        return Sieve(incremental, row_format)


_cached = lru_cache(maxsize=256)(Sieve)
