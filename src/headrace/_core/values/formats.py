"""What a caller wants an answer to become: a value, the rows that fit, or the whole answer around either."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_args, get_origin

from headrace._core.values import decode, partial, places
from headrace._core.values.measured import Measure, measured
from headrace._core.values.whole import Answer, answered
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = {Answer: "list[User]", partial.Partial: "User"}


class Whole:
    """Stands for an answer with more than its value.

    Args:
        inner: How its value is decoded.
        wrap: Puts the value into what came with it.
    """

    __slots__ = ("inner", "wrap")

    def __init__(self, inner: Any, wrap: Callable[..., Any]) -> None:
        self.inner = inner
        self.wrap = wrap


class Ready:
    """A format whose decoder is made already: that of a page, around which the whole answer is given.

    Args:
        inner: Decodes the body.
    """

    __slots__ = ("whole",)
    __hash__ = None  # type: ignore[assignment] # made for one series, so that no cache shall keep it

    def __init__(self, inner: decode.BodyDecoder) -> None:
        self.whole = Whole(inner, answered)


def find(response_format: Any, on_invalid: Any = "raise", items: Any = None) -> Any:
    """Find how an answer becomes what the caller wants.

    Args:
        response_format: What `decode.decoder_for` takes; or `Partial` of a row, or `Answer` of any of these.
        on_invalid: What becomes of rows that do not fit.
        items: The place of the value in the document.

    Returns:
        What `decode.decoder_for` returns, or a `Whole`; it was made once for all calls like this one.

    Raises:
        headrace.errors.ValidationError: An argument is wrong.
    """
    try:
        if items is None and on_invalid == "raise":
            return _plain(response_format)
        return _cached(response_format, on_invalid, tuple(items) if type(items) is list else items)
    except TypeError:  # not hashable, such as Annotated[..., {}]
        return _make(response_format, on_invalid, items)


def _make(response_format: Any, on_invalid: Any = "raise", items: Any = None) -> Any:
    if isinstance(response_format, Ready):
        return response_format.whole
    if response_format is Answer or get_origin(response_format) is Answer:
        (inner,) = get_args(response_format) or (None,)
        return Whole(_value(inner, on_invalid, items), answered)
    if type(response_format) is Measure:
        return Whole(_value(response_format.inner, on_invalid, items), measured)
    return _value(response_format, on_invalid, items)


def _value(response_format: Any, on_invalid: Any, items: Any) -> Any:
    if response_format is partial.Partial or get_origin(response_format) is partial.Partial:
        if partial.check_on_invalid(on_invalid) == "skip":
            raise ValidationError('on_invalid: a Partial holds the rows that do not fit; "skip" goes with list[...]')
        rows = get_args(response_format) or (Any,)
        response_format, on_invalid = list[rows[0]], "collect"  # type: ignore[valid-type] # made at run time
    for part in decode.classes_in(response_format):
        if part is Answer or part is partial.Partial:
            message = f"response_format: {part.__name__} goes around the rest: {part.__name__}[{_EXAMPLES[part]}]"
            raise ValidationError(message)
    path = places.as_path(items, "items")
    decoder = partial.decoder_for(response_format, on_invalid, places.shown(path))
    if not path:
        return decoder
    if not isinstance(decoder, decode.BodyDecoder):
        message = f"items: there is no place in {getattr(response_format, '__name__', response_format)}, only in JSON"
        raise ValidationError(message)
    in_one_pass = on_invalid == "raise" and decoder.many is None and decoder.refusal is None
    return places.within(path, decoder, response_format if in_one_pass and response_format is not None else None)


_plain = functools.lru_cache(maxsize=4096)(_make)
_cached = functools.lru_cache(maxsize=1024)(_make)
