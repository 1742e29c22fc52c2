"""What tells credentials that are known from those that have to be asked for; every client looks, few have any."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace._core.request.credentials import Credentials
    from headrace.types import Send


class FixedAuth:
    """The base of what knows its credentials without asking; a 401 is then an answer, and nothing is sent again."""

    __slots__ = ()

    def fixed(self) -> Credentials | None:
        """Give the credentials; `None` where they have to be asked for after all."""
        raise NotImplementedError

    async def credentials(self, refused: Credentials | None, send: Send, /) -> Credentials:  # noqa: ARG002 - Auth's
        """Give the credentials, which are always the same."""
        fixed = self.fixed()
        if fixed is None:
            raise NotImplementedError
        return fixed
