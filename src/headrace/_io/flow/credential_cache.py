"""Credentials are kept while they are good, and asked for once, however many requests need them."""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from headrace._core.call import Call, Undecoded
from headrace._core.messages import HeaderBlock, replaced
from headrace._core.request.credentials import Credentials, carried, exchanged
from headrace._io.closing import Closing
from headrace.auth._base import FixedAuth
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from yarl import URL

    from headrace._core.messages import Request, Response
    from headrace._core.request.prepare import Defaults
    from headrace.types import Auth


logger = logging.getLogger("headrace.AsyncClient")


class _Asking:
    """An `Auth` that is being asked, and how many wait for what it says."""

    __slots__ = ("askers", "task")

    def __init__(self, task: asyncio.Task[Credentials]) -> None:
        self.task = task
        self.askers = 0

    @property
    def failed(self) -> bool:
        """Whether it has ended with an error of its own."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is not None


class CredentialCache:
    """Keeps the credentials of a client, and asks its `Auth` for others when they run out or are refused.

    Args:
        defaults: What writes the credentials into requests.
        send: Sends the calls of an `Auth`.

    Attributes:
        auth: The `Auth`, or `None`.
        clock: Its clock, in seconds.
        current: The credentials; `None` where there are none, or they were refused.
        due: When the `Auth` is to be asked; `None` is never, unless a server refuses what there is.
    """

    __slots__ = (
        "_asking",
        "_closing",
        "_defaults",
        "_fixed",
        "_given",
        "_refused",
        "_send",
        "auth",
        "clock",
        "current",
        "due",
    )

    auth: Auth | None
    clock: Callable[[], float]
    current: Credentials | None
    due: float | None

    def __init__(self, defaults: Defaults, send: Callable[[Call], Awaitable[Response]]) -> None:
        self._defaults = defaults
        self._send = send
        self._closing = Closing()
        self.assign(None)

    def assign(self, auth: Auth | None) -> None:
        """Take another `Auth`, and forget what the one before has given."""
        fixed = auth.fixed() if isinstance(auth, FixedAuth) else None
        self.auth = auth
        self._fixed = auth is None or fixed is not None
        self.clock = getattr(auth, "clock", time.monotonic)
        self._asking: _Asking | None = None
        self._given = False
        self._keep(fixed)
        if not self._fixed:
            self.due = -math.inf

    def _keep(self, credentials: Credentials | None) -> None:
        self.current = credentials
        self.due = None if credentials is None else credentials.expires_at
        self._refused: Credentials | None = None
        self._defaults.use(credentials)

    async def get(self, refused: Credentials | None = None) -> Credentials | None:
        """Get credentials, asking for some where there are none, they have run out, or were refused.

        Args:
            refused: What a request was sent with that a server has answered with 401.

        Returns:
            The credentials; `None` without an `Auth`.

        Raises:
            headrace.errors.TransportError: The client was closed meanwhile.
            Exception: What the `Auth` raises.
        """
        auth = self.auth
        if auth is None or self._fixed:
            return self.current
        if refused is not None and refused is self.current:
            self.current, self.due, self._refused = None, -math.inf, refused
        if self.current is not None and (self.due is None or self.clock() < self.due):
            return self.current
        asking = self._asking
        # When asking has failed, whatever was sent before shares the failure; whatever is sent later asks anew.
        if asking is None or (asking.task.done() and not (refused is not None and asking.failed)):
            asking = self._asking = _Asking(asyncio.get_running_loop().create_task(self._ask(auth)))
        credentials = await self._answer(asking)
        return credentials if self.auth is auth else await self.get(refused)

    async def _answer(self, asking: _Asking) -> Credentials:
        asking.askers += 1
        try:
            # Shielded: one caller that gives up must not take the answer from the others; the last one ends the asking.
            return await self._closing.or_closed(asyncio.shield(asking.task))
        except Exception as error:  # noqa: BLE001 - whatever an `Auth` has raised
            # To each asker an error of its own: it clears the frames that it finds in it, and others wait in theirs.
            raise _own(error) from error.__cause__
        finally:
            asking.askers -= 1
            if not asking.askers and not asking.task.done():
                if not asking.task.get_loop().is_closed():  # else it never goes on, nor may it be told to
                    asking.task.cancel()
                if self._asking is asking:  # whoever comes now begins anew
                    self._asking = None

    async def _ask(self, auth: Auth) -> Credentials:
        credentials = await auth.credentials(self._refused, self.send)
        if not isinstance(credentials, Credentials):
            message = f"auth: credentials() returned {type(credentials).__name__}, has to return Credentials"
            raise ValidationError(message)
        if self.auth is auth:
            if logger.isEnabledFor(logging.INFO):
                self._tell(auth, credentials)
            self._given = True
            self._keep(credentials)
        return credentials

    def _tell(self, auth: Auth, credentials: Credentials) -> None:
        """Log that there are credentials, and nothing of what they are."""
        why = "were refused" if self._refused is not None else "had run out"
        what = f"renewed, those before {why}" if self._given else "given"
        until = "" if credentials.expires_at is None else f"; good for {credentials.expires_at - self.clock():.0f} s"
        logger.info("Credentials of %s: %s%s", type(auth).__name__, what, until)

    async def renewed(self, request: Request) -> Request | None:
        """Write a request that was answered with 401 anew, with other credentials.

        Returns:
            The request; `None` where it did not go with ours, or there are no others.
        """
        refused = request.headers.credentials
        if refused is None or not carried(refused, request.headers.pairs, request.target):
            return None
        credentials = await self.get(refused)
        if credentials is None or credentials is refused:
            return None
        pairs, target = exchanged(request.headers.pairs, request.target, refused, credentials)
        return replaced(request, headers=HeaderBlock(pairs, credentials), target=target)

    def send(
        self,
        method: str,
        url: str | URL,
        /,
        *,
        headers: Any = None,
        body: Any = None,
        data: Any = None,
        timeout: float | None = 30.0,
    ) -> Awaitable[Response]:
        """Send a request for an `Auth`; see `headrace.types.Send`."""
        call = Call(url, method, Undecoded.WHOLE, body, data, headers, timeout=timeout)
        return self._send(call)

    def leave(self) -> None:
        """Forget who waits on a loop that is closed."""
        self._closing = Closing()
        self._asking = None

    def close(self) -> None:
        """Fail whatever waits for credentials."""
        self._closing.close()

    def __repr__(self) -> str:
        return f"<CredentialCache of {type(self.auth).__name__}>"


def _own(error: Exception) -> Exception:
    """Copy an error that several share; one that cannot be copied is shared."""
    try:
        own = copy.copy(error)
    except Exception:  # noqa: BLE001 - whatever an `Auth` has raised
        return error
    return own if type(own) is type(error) else error
