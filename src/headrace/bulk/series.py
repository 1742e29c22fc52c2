"""Series of pages inside a bulk: one call, page after page, each an outcome, and a journal that knows how far it is."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from headrace._core.values.whole import Answer
from headrace._io.frames import clear_frames, go_on
from headrace.bulk.batches import PageMark
from headrace.bulk.outcomes import Meta, Ok, failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headrace._core.call import Call
    from headrace._core.pages.series import Series, Step
    from headrace.bulk.client import BulkClient
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.shape import Shape


class Seat(Protocol):
    """Where a series hands its pages: the place of its call among those that are in flight."""

    def put(self, outcome: Outcome[Any], mark: PageMark | None) -> None:
        """Hand over a page; the last one, and an `Err`, ends the call."""
        ...

    async def room(self) -> bool:
        """Wait until another page may be asked for; `False` where the bulk was stopped, and the series ends here."""
        ...


class Kept:
    """What a journal has of series, read in its thread, of all that begin at a time at once.

    Args:
        read: Reads how far the series of some calls are, by their digests.
    """

    def __init__(self, read: Callable[[list[bytes]], Awaitable[dict[bytes, bytes]]]) -> None:
        self._read = read
        self._asked: list[bytes] = []
        self._reading: asyncio.Task[dict[bytes, bytes]] | None = None

    async def find(self, digest: bytes) -> bytes | None:
        """Read how far the series of a call is; `None` where it has not begun."""
        if not self._asked or self._reading is None:
            self._reading = asyncio.create_task(self._run())
        self._asked.append(digest)
        found = await asyncio.shield(self._reading)  # others wait for it, too
        return found.get(digest)

    async def _run(self) -> dict[bytes, bytes]:
        await asyncio.sleep(0)  # others are about to ask
        asked, self._asked = self._asked, []
        return await self._read(asked)


class Walks:
    """Walks the series of a bulk.

    Args:
        client: Whose series they are.
        shape: What the bulk makes of an answer.
        kept: How far the journal has series; `None` where it has none.
    """

    def __init__(self, client: BulkClient, shape: Shape, kept: Kept | None) -> None:
        self._client = client
        self._shape = shape
        self._kept = kept

    async def walk(
        self, call: Call, key: str | None, digest: bytes | None, ask: Callable[[Call], Awaitable[Any]], seat: Seat
    ) -> None:
        """Ask for the pages of a series, one after the other, until it is over, fails, or is stopped.

        Args:
            call: What begins it.
            key: What it is known by, or `None`.
            digest: What a journal knows it by; `None` without one.
            ask: Sends a call.
            seat: Where its pages go.
        """
        began = monotonic()
        page = 0
        try:
            series = await self._begun(call, digest)
            while True:
                began, progress = monotonic(), series.progress
                page = progress.number
                answer = await ask(series.call(progress.position))
                if not isinstance(answer, Answer):
                    break
                size = 0 if answer.value is None else len(answer.value.body)
                step = series.accept(progress.position, answer)
                mark = None if digest is None else self._mark(digest, series, step, progress.position, call)
                if step.failure is None or not progress.again:
                    seat.put(self._page(call, key, answer, step, size), mark)
                if step.failure is not None:
                    page += not progress.again
                    raise step.failure  # noqa: TRY301 - it ends the series like any other
                if step.progress.over or not await seat.room():
                    return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            go_on(error)
            clear_frames(error)  # which know the call, and what came
            mark = None if digest is None else PageMark(digest, None, lasting=self._is_lasting(call))
            seat.put(failed(error, call, key, monotonic() - began, page), mark)
            return
        raise self._shape.no_answer(answer)

    async def _begun(self, call: Call, digest: bytes | None) -> Series:
        """Put a series together, to go on where the journal says."""
        series: Series = self._client.series(self._shape.first(call))
        kept = None if digest is None or self._kept is None else await self._kept.find(digest)
        if kept is not None:
            series.resume(self._client.said(msgspec.json.decode(kept), call))
        return series

    def _mark(self, digest: bytes, series: Series, step: Step, position: Any, call: Call) -> PageMark:
        progress = step.progress if step.failure is None else series.again(position, step.progress)
        state = msgspec.json.encode(self._client.unsaid(series.state(progress), call))
        return PageMark(digest, state, lasting=self._is_lasting(call))

    def _is_lasting(self, call: Call) -> bool:
        return self._shape.incremental_of(call) is not None

    def _page(self, call: Call, key: str | None, answer: Answer[Any], step: Step, size: int) -> Outcome[Any]:
        page = step.page
        last = step.progress.over and step.failure is None
        meta = Meta(key, answer.status, answer.elapsed, answer.attempts, size, page.number - 1, last)
        return Ok(page.items, call, meta, page.rejects)
