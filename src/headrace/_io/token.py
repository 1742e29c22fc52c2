"""Bearer tokens live here: given as text, or asked for; asked again once, however many requests were refused."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from typing import TYPE_CHECKING, Any

from headrace.config import wrong
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Tokens that requests still under way may have been sent with.
_MOST_GIVEN = 16
_TAKES = "a str, a SecretStr or a function that returns one"


class BearerToken:
    """The token of a client.

    Args:
        source: The token, something with `get_secret_value()`, or a sync or async function that returns either.

    Attributes:
        value: The token; `None` where there is none, or none was asked for yet.
        ask: The function, or `None`.
    """

    __slots__ = ("_askers", "_asking", "_given", "ask", "value")

    def __init__(self, source: Any) -> None:
        self._asking: asyncio.Task[str] | None = None
        self._askers = 0
        self._given: deque[str] = deque(maxlen=_MOST_GIVEN)
        self.assign(source)

    def assign(self, source: Any) -> None:
        """Take another token, or another function to ask."""
        self.value: str | None = None
        self.ask: Callable[[], Any] | None = None
        if callable(source) and not hasattr(source, "get_secret_value"):
            self.ask = source
        elif source is not None:
            self.value = checked(source)

    def gave(self, token: str) -> bool:
        """Tell whether a token is, or lately was, one that the function returned."""
        return token in self._given

    async def get(self, refused: str | None = None) -> str | None:
        """Get the token, asking for one if there is none, or if the one there is was refused.

        Args:
            refused: The token that a server has just refused.

        Returns:
            The token.
        """
        ask = self.ask
        if ask is None or (self.value is not None and self.value != refused):
            return self.value
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._renew(ask))
        asking = self._asking
        self._askers += 1
        try:
            # Shielded: one caller that gives up must not take the token from the others; the last one ends the asking.
            return await asyncio.shield(asking)
        finally:
            self._askers -= 1
            if not self._askers and not asking.done():
                asking.cancel()

    async def _renew(self, ask: Callable[[], Any]) -> str:
        try:
            token = ask()
            if inspect.isawaitable(token):
                token = await token
            self.value = checked(token)
            self._given.append(self.value)
            return self.value
        finally:
            self._asking = None

    def __repr__(self) -> str:
        return "BearerToken(***)"


def checked(token: Any) -> str:
    """Reveal and check a token.

    Raises:
        headrace.errors.ValidationError: It is no text that a header field may hold.
    """
    if hasattr(token, "get_secret_value"):
        token = token.get_secret_value()
    if not isinstance(token, str):
        raise wrong("bearer_token", token, _TAKES)
    if not token or not token.isascii() or not token.isprintable():
        message = "bearer_token: is empty or has a character that no token may have (CR, LF, NUL, non-ASCII …)"
        raise ValidationError(message)
    return token
