"""Who is given the answer to a request, as a connection knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from headrace._core.messages import Response
    from headrace.errors import TransportError


class Answer(Protocol):
    """Where the answer to a request goes, or the error there is instead: a future, or what is called back at once."""

    def done(self) -> bool:
        """Whether there is nobody any more to give anything to."""
        ...

    def cancelled(self) -> bool:
        """Whether whoever waited has given up."""
        ...

    def set_result(self, response: Response, /) -> None:
        """Take the answer."""
        ...

    def set_exception(self, error: TransportError, /) -> None:
        """Take the error."""
        ...

    def exception(self) -> BaseException | None:
        """Hear of the error; asked where it is done."""
        ...
