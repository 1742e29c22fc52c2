"""The law of marks, over drawn nights: a row that is not later than the lag comes once, in any order of pages."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from headrace import Incremental
from headrace._core.pages.sieve import Marks, Sieve

#: How late each row of a night is, counted from the greatest that came before.
_NIGHTS = st.lists(st.lists(st.integers(-4, 6), max_size=8), min_size=1, max_size=5)


@given(_NIGHTS, st.sampled_from([None, 0, 1, 3]), st.sampled_from([None, "asc", "desc"]), st.integers(1, 5), st.data())
def test_each_row_comes_once(nights: Any, lag: Any, order: Any, size: int, data: st.DataObject) -> None:
    """What comes at a time from the mark less the lag on comes once; the marks survive JSON after each page."""
    sieve = Sieve(Incremental("at", lag=lag, order=order), None)
    marks = Marks()
    there: list[dict[str, int]] = []
    came: list[int] = []
    late: set[int] = set()
    for night in nights:
        floor = sieve.floor(marks)
        for lateness in night:
            at = (marks.mark or 0) + lateness
            number = len(there)
            there.append({"id": number, "at": at})
            if floor is not None and at < floor:
                late.add(number)
        rows = list(there)
        if order is None:
            rows = data.draw(st.permutations(rows))
        else:
            rows.sort(key=lambda row: row["at"], reverse=order == "desc")
        for first in range(0, len(rows), size):
            new, marks, is_enough = sieve.sift(marks, rows[first : first + size])
            marks = sieve.read(json.loads(json.dumps(sieve.written(marks))))
            came += [row["id"] for row in new]
            if is_enough:
                break
        marks = sieve.ended(marks)
        assert sorted(came) == [number for number in range(len(there)) if number not in late]
