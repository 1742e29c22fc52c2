"""Many calls at once: pulled when there is room, sent by as many tasks as may be in flight, handed over as they end."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from headrace._core.values.measured import Measured
from headrace._core.values.partial import Partial
from headrace._io.frames import go_on
from headrace.bulk.keys import digest
from headrace.bulk.outcomes import Meta, Ok, failed
from headrace.errors import ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from typing import TypeAlias

    from headrace._core.call import Call
    from headrace._core.values.partial import Reject
    from headrace.bulk.batches import PageMark
    from headrace.bulk.keys import Digests
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.report import Report
    from headrace.bulk.series import Walks
    from headrace.bulk.shape import Shape
    from headrace.bulk.source import Source

    #: An outcome, and what a journal is told of it.
    Taken: TypeAlias = tuple[Outcome[Any], bytes | PageMark | None]

#: Calls that are skipped before others on the loop have their turn.
_PATIENCE = 512


class Known:
    """Which calls need not be asked.

    Args:
        place: Joins a path to that of the client.
        skipped: Those that are done, or failed and not to be asked again.
        begun: Those of this run.
    """

    __slots__ = ("begun", "place", "skipped")

    def __init__(self, place: Callable[[Any], str], skipped: Collection[Digests], begun: Digests) -> None:
        self.place = place
        self.skipped = tuple(each for each in skipped if len(each))
        self.begun = begun


class _Seat:
    """The place of a series among the calls that are in flight; see `headrace.bulk.series.Seat`.

    Args:
        engine: Whose place it is.
        number: Of its call.
    """

    __slots__ = ("_engine", "_number")

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self._number = number

    def put(self, outcome: Outcome[Any], mark: PageMark | None) -> None:
        """Hand over a page."""
        self._engine.put(self._number, outcome, mark)

    async def room(self) -> bool:
        """Wait until another page may be asked for; `False` where the bulk was stopped."""
        return await self._engine.room(self._number)


class Engine:
    """Runs calls, at most `in_flight` at once; what has ended and was not taken counts as well, up to as many again.

    Args:
        source: The calls.
        shape: What a bulk makes of an answer.
        report: Where to count what is pulled.
        known: Which calls are skipped; `None` without a journal.
        walks: Walks series of pages.
        in_flight: How many.
        ordered: Whether outcomes come in the order of their calls.

    Attributes:
        most: How many may be in flight.
        ready: What has ended and may be taken, with the digest of its call.
        patience: How many have to be ready before `wait` returns for them; `nudge` or the end is sooner.
    """

    def __init__(
        self,
        source: Source,
        shape: Shape,
        report: Report,
        known: Known | None,
        walks: Walks,
        in_flight: int,
        *,
        ordered: bool,
    ) -> None:
        self._source = source
        self._shape = shape
        self._report = report
        self._known = known
        self._walks = walks
        self.most = in_flight
        self._window = in_flight * (4 if ordered else 2)
        self._early: dict[int, list[Taken]] | None = {} if ordered else None
        self._ended: set[int] = set()  # calls all of whose outcomes are early
        self._next = 0  # the number of the outcome that comes next, where they are ordered
        self._number = 0
        self._held = 0  # calls that are pulled and whose outcomes are not taken
        self._pages = 0  # pages, but for the last of a series, that are not taken
        self._cut = False  # whether a series was stopped before its end
        self._tasks: set[asyncio.Task[None]] = set()
        self._pulling: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()
        self._wake: asyncio.Future[None] | None = None
        self._room: asyncio.Event = asyncio.Event()
        self._ask: Callable[[Call], Awaitable[Any]] | None = None
        self._drained = False
        self._stopping = False
        self._closing = False
        self._fault: BaseException | None = None
        self.patience = 1
        self.ready: deque[Taken] = deque()

    def start(self, ask: Callable[[Call], Awaitable[Any]]) -> None:
        """Begin to pull and to ask."""
        self._ask = ask
        self._room.set()
        self._spawn()

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes ready."""
        return not self._tasks

    @property
    def finished(self) -> bool:
        """Whether everything was asked for, and has ended."""
        return self._drained and not self._cut and not self._tasks and self._fault is None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped while there may have been more calls."""
        return self._cut or (self._stopping and not self._drained)

    def stop(self) -> None:
        """Pull nothing more; what is in flight ends."""
        self._stopping = True
        self._room.set()
        for task in self._pulling:
            task.cancel()

    async def aclose(self) -> None:
        """End all that is in flight, and wait for that."""
        self._closing = True
        self.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        interrupted: asyncio.CancelledError | None = None
        while not all(task.done() for task in tasks):
            try:
                await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                interrupted = error
        await self._source.aclose()
        if interrupted is not None:
            raise interrupted

    def abandon(self) -> None:
        """Cancel all that is in flight, where nobody can wait for it."""
        self._stopping = self._closing = True
        for task in self._tasks:
            if not task.get_loop().is_closed():
                task.cancel()

    async def wait(self) -> bool:
        """Wait until something is ready, or `nudge` was called.

        Returns:
            Whether there may be more.

        Raises:
            BaseException: What the calls' own iterator has raised, once all that was in flight is taken.
        """
        if len(self.ready) >= self.patience:
            return True
        if self._tasks:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        if self.ready or self._tasks:
            return True
        if self._fault is not None:
            raise self._fault
        return False

    def nudge(self) -> None:
        """Let whoever waits look again."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def take(self) -> Taken:
        """Take what is ready first; there has to be something."""
        taken = self.ready.popleft()
        if taken[0].meta.last:
            self._held -= 1
        else:
            self._pages -= 1
        if not self._room.is_set():
            self._room.set()
        return taken

    async def room(self, number: int) -> bool:
        """Wait until a series may ask for another page; `False` where it was stopped, and is cut off here.

        Args:
            number: Of its call.
        """
        while not self._stopping:
            # Where outcomes are ordered, the first call goes on whatever others have ready behind it.
            full = len(self.ready) if number == self._next else self._pages
            if full < self._window:
                return True
            self._room.clear()
            await self._room.wait()
        self._cut = True
        self._end(number)
        return False

    def _spawn(self) -> None:
        task = asyncio.create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not self._closing:
            self._fault = self._fault or error
            self.stop()
        if not self._tasks:
            self.nudge()

    async def _work(self) -> None:
        """Pull and ask until there is nothing left; before the first call, see to it that others do the same."""
        first = True
        ask, shape, asynchronous = self._ask, self._shape, self._source.asynchronous
        assert ask is not None  # noqa: S101 - set by `start`
        while not self._stopping:
            if self._held >= self._window:
                self._room.clear()
                await self._room.wait()
                continue
            self._held += 1
            try:
                pulled = await self._apull() if asynchronous else self._pull()
            except BaseException:
                self.stop()  # now: the others may have their turn before this is heard of
                raise
            if pulled is None:
                self._held -= 1
                if self._drained or self._stopping:
                    return
                await asyncio.sleep(0)  # many were skipped
                continue
            if first and len(self._tasks) < self.most and not self._stopping:
                self._spawn()
            first = False
            call, key, mark = pulled
            number = self._number
            self._number += 1
            if shape.is_series(call):
                await self._walks.walk(call, key, mark, ask, _Seat(self, number))
                continue
            began = monotonic()
            try:
                answer = await ask(shape.asked(call))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
                go_on(error)
                outcome: Outcome[Any] = failed(error, call, key, monotonic() - began)
            else:
                outcome = self._outcome(answer, call, key)
            self.put(number, outcome, mark)

    def _pull(self) -> tuple[Call, str | None, bytes | None] | None:
        """Pull the next call that has to be asked, with its key and digest; `None` where there is none, or not yet."""
        if self._drained or self._stopping:
            return None
        pull, wanted = self._source.pull, self._wanted
        for _ in range(_PATIENCE):
            call = pull()
            if call is None:
                self._drained = True
                return None
            pulled = wanted(call)
            if pulled is not None:
                return pulled
            if self._stopping:  # the iterator of calls may have said so
                return None
        return None

    def _wanted(self, call: Call) -> tuple[Call, str | None, bytes | None] | None:
        """Count a call, and give its key and digest; `None` where it need not be asked."""
        report, known = self._report, self._known
        report.calls += 1
        if known is None:
            return call, call.key, None
        asked = self._shape.incremental_of(call)
        try:
            mark = digest(call, known.place, None if asked is None else asked.parameter)
        except ValidationError as error:
            raise ValidationError(f"calls[{self._source.count - 1}]: {error}") from None
        for each in known.skipped:
            if mark in each:
                report.skipped += 1
                return None
        if not known.begun.add(mark):
            report.duplicates += 1
            return None
        return call, call.key or mark.hex(), mark

    async def _apull(self) -> tuple[Call, str | None, bytes | None] | None:
        """Pull from an async iterable; see `_pull`."""
        task: Any = asyncio.current_task()
        self._pulling.add(task)
        try:
            async with self._lock:
                call = None if self._drained or self._stopping else await self._source.apull()
        except asyncio.CancelledError:
            if self._stopping and not self._closing and task.uncancel() == 0:
                return None
            raise
        finally:
            self._pulling.discard(task)
        if call is None:
            self._drained = self._drained or not self._stopping
            return None
        return self._wanted(call)

    def _outcome(self, answer: Any, call: Call, key: str | None) -> Outcome[Any]:
        """Make the outcome of an answer that is a success; raises for what is none."""
        if type(answer) is not Measured:
            raise self._shape.no_answer(answer)
        value = answer.value
        rejects: Sequence[Reject] = ()
        if type(value) is Partial:
            rejects = () if self._shape.skips else value.rejects
            value = value.items
        elif value is None and not answer.size and not self._shape.takes_none(call):
            return failed(self._shape.empty(call), call, key, answer.elapsed)
        return Ok(value, call, Meta(key, answer.status, answer.elapsed, answer.attempts, answer.size), rejects)

    def put(self, number: int, outcome: Outcome[Any], mark: bytes | PageMark | None) -> None:
        """Make an outcome ready, where outcomes are ordered when its turn has come.

        Args:
            number: Of its call.
            outcome: What comes of it, or of a page of it.
            mark: What a journal is told.
        """
        if self._early is None or number == self._next:
            self.ready.append((outcome, mark))
        else:
            self._early.setdefault(number, []).append((outcome, mark))
        if outcome.meta.last:
            self._end(number)
        else:
            self._pages += 1
        wake = self._wake
        if wake is not None and len(self.ready) >= self.patience and not wake.done():
            wake.set_result(None)

    def _end(self, number: int) -> None:
        """Let the outcomes of the next call be ready, where they are ordered."""
        early, ended = self._early, self._ended
        if early is None:
            return
        ended.add(number)
        while self._next in ended:
            ended.discard(self._next)
            self._next += 1
            self.ready.extend(early.pop(self._next, ()))
        self._room.set()
