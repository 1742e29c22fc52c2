"""How long a regular expression may take: whether a text that does not match is tried in more than linearly many ways.

A pattern becomes its position automaton (Glushkov): a state for each character in it, an edge for each way from one to
the next. Of that, two properties are decided that say how a matcher that backtracks behaves (Weber and Seidl, "On the
degree of ambiguity of finite automata", 1991):

- exponential: some text leads from a state back to itself in two ways, as in ``(a*)*b`` and ``(a|a)*b``;
- polynomial: some text leads from a state to itself, from there to another one, and from that to itself, as in
  ``a*a*b``, or in a search for ``a*b``, which begins anew at every place.

States where the match has succeeded already are no part of it: nothing is tried again from them. Possessive repeats and
atomic groups count as if they gave back what they took, so they are never what makes a pattern good.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from re import _constants as sre
from re import _parser as parser
from typing import Any, NamedTuple

_SAMPLES = [chr(code) for code in range(256)] + list("\u0100\u0130\u0663\u2003\u2028\u212a\ud800\uffff")
_ALL = (1 << len(_SAMPLES)) - 1
#: Copies that a counted repeat is written out in; what is longer counts as if it had no end.
_MOST_COPIES = 70
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)


class _Part(NamedTuple):
    """A part of a pattern: the states that it begins and ends with, each with the number of ways, and its empty ways.

    `sure` and `surely_last` are those ways, and ends, on which no assertion stands that may fail.
    """

    first: Counter[int]
    last: Counter[int]
    empty: int
    sure: bool
    surely_last: frozenset[int]


_NOTHING = _Part(Counter(), Counter(), 1, sure=True, surely_last=frozenset())


class Automaton:
    """The position automaton of a pattern.

    Args:
        pattern: The compiled pattern.
        mode: How it is used: ``"match"``, ``"fullmatch"`` or ``"search"``, which stands for all that begin anywhere.
    """

    def __init__(self, pattern: re.Pattern[Any], mode: str) -> None:
        self._masks: list[int] = []
        self._edges: Counter[tuple[int, int]] = Counter()
        flags = pattern.flags if isinstance(pattern.pattern, str) else pattern.flags | re.ASCII
        whole = self._sequence(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG), flags)
        if mode == "search":
            whole = self._joined(self._repeated(self._state(_ALL)), whole)
        won = frozenset() if mode == "fullmatch" else whole.surely_last
        # A search that cannot fail at its first place never begins anew.
        self._following: dict[int, list[int]] = {state: [] for state in range(len(self._masks)) if state not in won}
        for start, end in self._edges:
            if start not in won and end not in won:
                self._following[start].append(end)

    def _state(self, mask: int) -> _Part:
        self._masks.append(mask)
        state = len(self._masks) - 1
        return _Part(Counter([state]), Counter([state]), 0, sure=False, surely_last=frozenset([state]))

    def _link(self, last: Counter[int], first: Counter[int]) -> None:
        for start, ways in last.items():
            for end, more in first.items():
                self._edges[start, end] += ways * more

    def _joined(self, one: _Part, other: _Part) -> _Part:
        self._link(one.last, other.first)
        return _Part(
            one.first + _times(other.first, one.empty),
            _times(one.last, other.empty) + other.last,
            min(one.empty * other.empty, 2),
            sure=one.sure and other.sure,
            surely_last=(one.surely_last if other.sure else frozenset()) | other.surely_last,
        )

    def _repeated(self, part: _Part, *, least: int = 0) -> _Part:
        self._link(part.last, part.first)
        return part if least else part._replace(empty=1, sure=True)

    def _sequence(self, items: Any, flags: int) -> _Part:
        whole = _NOTHING
        for operator, argument in items:
            whole = self._joined(whole, self._part(operator, argument, flags))
        return whole

    def _part(self, operator: Any, argument: Any, flags: int) -> _Part:
        if operator is sre.SUBPATTERN:
            _, added, removed, items = argument
            return self._sequence(items, (flags | added) & ~removed)
        if operator is sre.ATOMIC_GROUP:
            return self._sequence(argument, flags)
        if operator is sre.BRANCH:
            return _either([self._sequence(items, flags) for items in argument[1]])
        if operator in _REPEATS:
            return self._counted(*argument, flags)
        if operator is sre.AT:
            return _NOTHING._replace(sure=False)
        if operator in (sre.ASSERT, sre.ASSERT_NOT):
            # What it looks at is tried, and leads nowhere; what comes behind it is reached without a character.
            looked_at = self._sequence(argument[1], flags)
            return _Part(looked_at.first, Counter(), 1, sure=False, surely_last=frozenset())
        return self._state(_mask(operator, _frozen(argument), flags))

    def _counted(self, least: int, most: Any, items: Any, flags: int) -> _Part:
        endless = most is sre.MAXREPEAT or most > _MOST_COPIES
        least = min(least, _MOST_COPIES)
        whole = _NOTHING
        for _ in range(least - 1 if endless and least else least):
            whole = self._joined(whole, self._sequence(items, flags))
        if endless:
            return self._joined(whole, self._repeated(self._sequence(items, flags), least=least))
        rest = _NOTHING
        for _ in range(most - least):  # from the last one on: each is there only behind the one before it
            rest = _either([self._joined(self._sequence(items, flags), rest), _NOTHING])
        return self._joined(whole, rest)

    def _meet(self, *states: int) -> bool:
        mask = _ALL
        for state in states:
            mask &= self._masks[state]
        return bool(mask)

    def _steps(self, states: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Go one character on with all states at once."""
        found: list[tuple[int, ...]] = [()]
        for state in states:
            found = [(*before, end) for before in found for end in self._following[state] if self._meet(*before, end)]
        return found

    def _reached(self, start: tuple[int, ...]) -> set[tuple[int, ...]]:
        """Find what is reached from some states by one or more characters, the same for all."""
        found: set[tuple[int, ...]] = set()
        pending = [start]
        while pending:
            for states in self._steps(pending.pop()):
                if states not in found:
                    found.add(states)
                    pending.append(states)
        return found

    def is_exponential(self) -> bool:
        """Tell whether some text leads from a state back to itself in two ways."""
        reach = {state: {end for (end,) in self._reached((state,))} for state in self._following}
        for (start, end), ways in self._edges.items():
            if ways > 1 and start in reach.get(end, ()) and end in self._following.get(start, ()):
                return True
        for state in self._following:
            if state in reach[state]:
                pairs = self._reached((state, state))
                apart = {pair for pair in pairs if pair[0] != pair[1] and state in reach[pair[0]] & reach[pair[1]]}
                if any((state, state) in self._reached(pair) for pair in apart):
                    return True
        return False

    def is_polynomial(self) -> bool:
        """Tell whether some text leads from a state to itself and to another one, and from that one to itself."""
        loops = [state for state in self._following if (state,) in self._reached((state,))]
        for one in loops:
            beyond = {end for (end,) in self._reached((one,))}
            for other in loops:
                if one != other and other in beyond and (one, other, other) in self._reached((one, one, other)):
                    return True
        return False


def _times(ways: Counter[int], number: int) -> Counter[int]:
    return Counter({state: min(count * number, 2) for state, count in ways.items() if number})


def _either(parts: list[_Part]) -> _Part:
    return _Part(
        sum((part.first for part in parts), Counter()),
        sum((part.last for part in parts), Counter()),
        min(sum(part.empty for part in parts), 2),
        sure=any(part.sure for part in parts),
        surely_last=frozenset().union(*(part.surely_last for part in parts)),
    )


def _frozen(argument: Any) -> Any:
    return tuple(argument) if isinstance(argument, list) else argument


@cache
def _mask(operator: Any, argument: Any, flags: int) -> int:
    """Say which samples a single character of a pattern may be, as bits."""
    if operator is sre.NOT_LITERAL:
        return _ALL & ~_mask(sre.LITERAL, argument, flags)
    if operator is sre.IN:
        negated = argument[0][0] is sre.NEGATE
        mask = 0
        for item in argument[negated:]:
            mask |= _mask(*item, flags)
        return _ALL & ~mask if negated else mask
    written = re.compile(_written(operator, argument), flags & (re.IGNORECASE | re.DOTALL | re.ASCII))
    return sum(1 << bit for bit, sample in enumerate(_SAMPLES) if written.fullmatch(sample))


def _written(operator: Any, argument: Any) -> str:
    if operator is sre.ANY:
        return "."
    if operator is sre.LITERAL:
        return re.escape(chr(argument))
    if operator is sre.RANGE:
        return f"[{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}]"
    if operator is sre.CATEGORY:
        kind, letter = str(argument).removeprefix("CATEGORY_NOT_"), str(argument).rpartition("_")[2][0].lower()
        return f"\\{letter if kind.startswith('CATEGORY') else letter.upper()}"
    message = f"{operator} is not known here"
    raise NotImplementedError(message)
