"""A series of pages: the call for each, what each one leads to, and the state from which it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from yarl import URL

from headrace import _redact
from headrace._checks import origin
from headrace._core.pages import states
from headrace._core.pages.driven import Called, Driven
from headrace._core.pages.envelope import Fetched
from headrace._core.pages.page import Page
from headrace._core.pages.positions import Seen
from headrace._core.pages.sieve import Marks
from headrace._core.pages.states import Progress
from headrace._core.pages.strategies import Facts, Header
from headrace._core.request import encode
from headrace._core.values import places
from headrace._core.values.whole import Answer
from headrace._merging import merge_mapping
from headrace.errors import AsyncClientError, FrameworkException, PaginationError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace._core.call import Call
    from headrace._core.pages.sieve import Sieve
    from headrace._core.pages.strategies import Strategy

#: Methods that change nothing (RFC 9110, section 9.2.1).
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SCALARS: Final = (str, int, float, bytes, type(None))


class Step(msgspec.Struct, frozen=True, eq=False):
    """One page, and what it leads to.

    Attributes:
        page: The page.
        rejected: How many of its rows do not fit.
        progress: How far the series is behind it.
        failure: Why it does not go on, where that is no good end.
    """

    page: Page[Any]
    rejected: int
    progress: Progress
    failure: Exception | None


class Series:
    """One series of pages.

    Args:
        strategy: How there is a next page.
        call: What every page is asked for with.
        home: The origin that the call goes to; secrets of the call go to no other.
        shown: Shows a URL without secrets.
        trusts: Tells whether the client's credentials go to a URL.
        sieve: Lets new rows through; `None` for all.
    """

    def __init__(
        self,
        strategy: Strategy,
        call: Call,
        home: str,
        shown: Callable[[URL], str],
        trusts: Callable[[URL], bool],
        sieve: Sieve | None = None,
    ) -> None:
        self.strategy = strategy
        self._sieve = sieve
        self._trusts = trusts
        self._call = call
        self._home = home
        self._shown = shown
        self._parameters = dict(encode.mapping(call.parameters, "parameters"))
        self._body = self._prepared_body()
        self._check_names()
        self._seen = Seen()
        self._mark: int | None = None
        self._refused: Any = None
        self.progress = self._start(None if sieve is None else Marks())
        self._aim()

    def _start(self, marks: Marks | None) -> Progress:
        strategy = self.strategy
        return Progress(strategy.start(), size=strategy.asked_size(), total=self._known_total(), marks=marks)

    def _aim(self) -> None:
        """Let the calls name the mark that the series begins at."""
        sieve, marks = self._sieve, self.progress.marks
        said = {} if sieve is None or marks is None else sieve.parameters(marks)
        if said:
            self._parameters = {**self._parameters, **said}
            self._call = msgspec.structs.replace(self._call, parameters=self._parameters)

    def use(self, response_format: Any) -> None:
        """Decode the pages in this way."""
        self._call = msgspec.structs.replace(
            self._call, response_format=response_format, on_invalid="raise", items=None
        )

    def __repr__(self) -> str:
        return f"<Series by {type(self.strategy).__name__}>"

    # -- the calls

    def call(self, position: Any) -> Call:
        """Make the call for a position."""
        strategy, call = self.strategy, self._call
        if strategy.leads_by_url:
            return call if position is None else self._elsewhere(position)
        if isinstance(strategy, (Called, Driven)):
            return call if position is None else self._changed(position)
        parameters, body = self._parameters, self._body
        for name, place, value in strategy.sends(position):
            if name is not None:
                parameters = {**parameters, name: value}
            else:
                body = _put(body, places.as_path(place, "body"), value)
        return msgspec.structs.replace(
            call, parameters=parameters or None, body=call.body if self._body is None else body
        )

    def _elsewhere(self, url: str) -> Call:
        """Follow a URL of the server's: it has its parameters already, and secrets of the call stay at home."""
        call = msgspec.structs.replace(self._call, path=URL(url, encoded=True), parameters=None)
        return call if origin(URL(url, encoded=True)) == self._home else _harmless(call)

    def _changed(self, changes: Mapping[str, Any]) -> Call:
        call, changed = self._call, dict(changes)
        if "parameters" in changed:
            over = encode.mapping(changed["parameters"], "parameters")
            changed["parameters"] = merge_mapping(self._parameters, over)
        for name in ("headers", "cookies"):
            if name in changed:
                under, over = encode.mapping(getattr(call, name), name), encode.mapping(changed[name], name)
                changed[name] = merge_mapping(under, over, fold_case=name == "headers")
        path = changed.get("path")
        if path is not None:
            changed.setdefault("parameters", None)  # a path has those that it needs
            if "://" in str(path) and origin(URL(str(path))) != self._home:
                call = _harmless(call)
        return msgspec.structs.replace(call, **changed)

    def _prepared_body(self) -> Any:
        """Read the body of the call as plain JSON, where something is put into it; else `None`."""
        if all(name is not None or place is None for name, place, _ in self._sends()):
            return None
        call = self._call
        if call.data is not None:
            message = "data: pages that send something in the body take body="
            raise ValidationError(message)
        body = {} if call.body is None else orjson.loads(encode.body(call.body))
        if not isinstance(body, dict):
            message = "body: is no object, which what leads to the next page could be put into"
            raise ValidationError(message)
        return body

    def _sends(self) -> list[tuple[str | None, Any, Any]]:
        start = self.strategy.start()
        return self.strategy.sends(0 if start is None else start)

    def _check_names(self) -> None:
        path = self._call.path
        query = {} if path is None or "?" not in str(path) else URL(str(path)).query
        names = [name for name, _, _ in self._sends()]
        marked = None if self._sieve is None else self._sieve.parameter
        if marked is not None and marked in names:
            message = f"incremental: parameter: {marked!r} is set by {type(self.strategy).__name__}"
            raise ValidationError(message)
        if marked is not None and marked in query:
            message = f"path: its query has {marked!r}, which incremental= sets; leave it out there"
            raise ValidationError(message)
        for name in names:
            if name in query:
                message = f"path: its query has {name!r}, which the pages set; leave it out there"
                raise ValidationError(message)
            if name in self._parameters and self.strategy.counted:
                message = f"parameters: {name!r} is set by {type(self.strategy).__name__}; leave it out there"
                raise ValidationError(message)

    # -- the pages

    def accept(self, position: Any, answer: Any) -> Step:
        """Take the next page, in the order of the series.

        Args:
            position: Where it was asked for.
            answer: What came.

        Raises:
            headrace.errors.PaginationError: It cannot be a page of the series.
        """
        if not isinstance(answer, Answer) or not isinstance(answer.value, Fetched | None):
            returned = type(answer).__name__
            message = f"request() returned {returned} for a page; it has to return what super().request() returns"
            raise AsyncClientError(message)
        fetched = answer.value
        if fetched is None:  # a success without a body
            fetched = Fetched([], [], 0, dict.fromkeys(self.strategy.places(), msgspec.UNSET), None, b"", ())
        before = self.progress
        count = len(fetched.items) + fetched.rejected
        number, rows = before.number + 1, before.rows + count
        if before.again:
            number, rows = before.number, before.rows  # they were counted when they came
        size = before.size or (count or None if number == 1 else None)
        page: Page[Any] = Page(fetched, msgspec.structs.replace(answer, value=None), number)
        try:
            total = self._total(fetched.values.get("total", msgspec.UNSET), answer)
            facts = Facts(fetched.values, answer, page, count, fetched.last, rows, total, size)
            if number == 1:
                self.strategy.check_first(facts)
            self._check_repeated(fetched, count)
            given, marks, is_enough = self._sifted(page, before)
        except PaginationError as error:
            raise self._named(error, answer) from None
        self._remember(position, answer)
        following, failure = (None, None) if is_enough else self._following(position, facts)
        if following is None and failure is None and self._sieve is not None and marks is not None:
            marks = self._sieve.ended(marks)
        over = following is None
        self.progress = progress = Progress(following, number, rows, size, total, over, marks=marks)
        return Step(given, 0 if before.again else fetched.rejected, progress, failure)

    def _sifted(self, page: Page[Any], before: Progress) -> tuple[Page[Any], Marks | None, bool]:
        """Take the rows of a page that are given, and tell what is known behind them, and whether that is enough."""
        if before.again:
            return page.without_rows(), before.marks, False
        if self._sieve is None or before.marks is None:
            return page, None, False
        items, marks, is_enough = self._sieve.sift(before.marks, page.items)
        return page if len(items) == len(page.items) else page.with_items(items), marks, is_enough

    def _following(self, position: Any, facts: Facts) -> tuple[Any, Exception | None]:
        try:
            following = self.strategy.following(position, facts)
            self._check_way(following, facts)
            if following is not None and not self._is_new(following):
                self._refused = following
                number, where = facts.page.number, ""
                if self.strategy.leads_by_url:
                    where = f" ({self._shown(URL(following, encoded=True))})"
                message = f"page {number} leads to itself, or to a page before it{where}: the series would never end"
                raise PaginationError(message)  # noqa: TRY301 - kept for the next page, like those of the strategy
        except PaginationError as error:
            return None, self._named(error, facts.answer)
        except Exception as error:  # noqa: BLE001 - a caller's function; it is raised where the page would come
            return None, error
        return following, None

    def _check_way(self, following: Any, facts: Facts) -> None:
        """Let no server that gets no credentials say where a request that changes something takes them."""
        if facts.answer.method in _SAFE or self._trusts(facts.answer.url):
            return
        if isinstance(self.strategy, Driven):
            following = (following or {}).get("path")
        elif not self.strategy.leads_by_url:
            return
        if following is None or "://" not in following or not self._trusts(URL(following, encoded=True)):
            return
        message = (
            f"page {facts.page.number} came from another origin, which cannot say where a {facts.answer.method} takes"
            " the client's credentials; trusted_origins= names those that can"
        )
        raise PaginationError(message)

    def _remember(self, position: Any, answer: Answer[Any]) -> None:
        if self.strategy.leads_by_url:
            self._seen.add(str(answer.url))
        elif not self.strategy.counted:
            if position is None:  # the call may begin at a token
                position = next((self._parameters.get(name) for name, _, _ in self._sends() if name), None)
            self._seen.add(position)

    def _is_new(self, following: Any) -> bool:
        return self.strategy.counted or self._seen.add(following)

    def _check_repeated(self, fetched: Fetched, count: int) -> None:
        """Look whether a server gives the same page again whatever is counted; rows that are objects tell that."""
        if not self.strategy.counted:
            return
        mark = hash(fetched.body)
        if count and mark == self._mark and fetched.items and not isinstance(fetched.items[0], _SCALARS):
            names = ", ".join(repr(name) for name, _, _ in self._sends()[:1])
            message = f"the page is the one before it, byte for byte: the server does not seem to know {names}"
            raise PaginationError(message)
        self._mark = mark

    def _known_total(self) -> int | None:
        return next((each for each in self.strategy.places().values() if type(each) is int), None)

    def _total(self, value: Any, answer: Answer[Any]) -> int | None:
        """Read a total; a negative one is not known."""
        place = self.strategy.places().get("total")
        if isinstance(place, Header):
            value = answer.headers.get(place.name, msgspec.UNSET)
        known = self._known_total()
        if known is not None:
            return known
        if isinstance(value, str) and value.isdecimal() and len(value) < 20:
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is msgspec.UNSET or value is None:
            return None
        if type(value) is not int:
            if isinstance(place, Header):
                where = f"in {place.name}"
            else:
                where = f"at {places.shown(places.as_path(place, 'total'))}"
            message = f"the total {where} is no whole number: got {type(value).__name__}"
            raise PaginationError(message)
        return value if value >= 0 else None

    def asked(self) -> dict[str, tuple[Any, ...]]:
        """Name the places in the document that the strategy asks for, and where they are."""
        given = self.strategy.places().items()
        return {
            name: places.as_path(place, name)
            for name, place in given
            if place is not None and not isinstance(place, (int, Header))
        }

    def _named(self, error: FrameworkException, answer: Answer[Any]) -> FrameworkException:
        error.method, error.url = answer.method, self._shown(answer.url)
        return error

    # -- the state

    def again(self, position: Any, progress: Progress) -> Progress:
        """Tell how far it is where the rows of a page were taken, and the page led nowhere: what that says is asked."""
        return msgspec.structs.replace(progress, position=position, over=False, again=True, refused=self._refused)

    def state(self, progress: Progress) -> dict[str, Any]:
        """Write down how far the series is; see `states.written`."""
        return states.written(progress, self.strategy, self._sieve)

    def resume(self, state: Any) -> None:
        """Go on where a state says; where new rows alone are given and it is of a series that is over, from its mark.

        Raises:
            headrace.errors.ValidationError: It is no state of such a series.
        """
        progress = states.read(state, self.strategy, self._sieve)
        if progress.refused is not None:
            self._seen.add(progress.refused)
        is_new = progress.over and self._sieve is not None  # what has come since is asked for
        self.progress = self._start(progress.marks) if is_new else progress
        self._aim()


def _put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Copy a body with another value at a place."""
    part, *rest = path
    if isinstance(part, int):
        message = "body: takes names with dots between, no indexes"
        raise ValidationError(message)
    inner = body.get(part)
    if rest:
        value = _put(inner if isinstance(inner, dict) else {}, tuple(rest), value)
    return {**body, part: value}


def _harmless(call: Call) -> Call:
    """Leave the secrets of a call at home."""
    headers = encode.mapping(call.headers, "headers")
    kept = {name: value for name, value in headers.items() if not _redact.is_secret(str(name))}
    return msgspec.structs.replace(call, headers=kept or None, cookies=None)
