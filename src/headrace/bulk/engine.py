"""Many calls at once: pulled when there is room, sent without a task where they are plain, handed over as they end."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Any

from headrace._core.messages import Response
from headrace._core.request.proof import EMPTY_BODY
from headrace._core.values.decode import UNREAD
from headrace._core.values.measured import Measured
from headrace._core.values.partial import Partial
from headrace._io.deadline import Deadline
from headrace._io.frames import clear_frames, go_on
from headrace.bulk.flight import Flight, Sweep
from headrace.bulk.ordering import Order
from headrace.bulk.outcomes import Meta, Ok, failed
from headrace.bulk.pulling import Pulling
from headrace.types import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from headrace._core.call import Call
    from headrace._core.values.partial import Reject
    from headrace.bulk.batches import PageMark
    from headrace.bulk.ordering import Taken
    from headrace.bulk.outcomes import Outcome
    from headrace.bulk.pulling import Known, Pulled
    from headrace.bulk.report import Report
    from headrace.bulk.series import Walks
    from headrace.bulk.shape import Shape
    from headrace.bulk.source import Source
    from headrace.types import BulkLane, BulkWay


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

    A plain call that an idle connection takes is a `Flight`, which its connection calls back. Every other call, and
    every one whose answer is no plain success, is a task; so is a series of pages, all of it.

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
        self._pulling = Pulling(source, shape, report, known)
        self._walks = walks
        self.most = in_flight
        self._window = in_flight * (4 if ordered else 2)
        self.ready: deque[Taken] = deque()
        self._order = Order(self.ready) if ordered else None
        self._held = 0  # calls that are pulled and whose outcomes are not taken
        self._pages = 0  # pages, but for the last of a series, that are not taken
        self._cut = False  # whether a series was stopped before its end
        self._going = 0  # those of them that are under way
        self._kept: Pulled | None = None  # one that is pulled, and waits for a connection to become idle
        self._flights: set[Flight] = set()
        self._free: list[Flight] = []
        self._landed: list[Flight] = []
        self._sweep: Sweep | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialing = 0  # tasks that were begun for want of an idle connection
        self._feeder: asyncio.Task[None] | None = None
        self._feeding = False  # whether it waits for the next call, not for room
        self._room = asyncio.Event()
        self._wake: asyncio.Future[None] | None = None
        self._ask: BulkWay
        self._lane: BulkLane | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._soon: Callable[[], object]
        self._due = False  # whether a step is
        self._stopping = False
        self._closing = False
        self._fault: BaseException | None = None
        self.patience = 1

    def start(self, ask: BulkWay) -> None:
        """Begin to pull and to ask."""
        self._ask = ask
        self._loop = loop = asyncio.get_running_loop()
        context = copy_context()
        self._soon = lambda: loop.call_soon(self._step, context=context)
        if self._shape.decoder is not None and ask.lane is not None:
            self._lane = ask.lane
            if self._lane.seconds is not None:
                self._sweep = Sweep(self._flights, self._lane.seconds)
        if self._source.asynchronous:
            self._feeder = asyncio.create_task(self._feed())
            self._feeder.add_done_callback(self._fed)
        self._schedule()

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes ready."""
        over = self._pulling.drained or self._stopping
        return over and not self._going and self._feeder is None and self._kept is None

    @property
    def finished(self) -> bool:
        """Whether everything was asked for, and has ended."""
        return self._pulling.drained and self.ended and not self._cut and self._fault is None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped while there may have been more calls, or pages."""
        return self._cut or (self._stopping and not self._pulling.drained)

    def stop(self) -> None:
        """Pull nothing more; what is pulled ends."""
        self._stopping = True
        kept, self._kept = self._kept, None
        if kept is not None and not self._closing:
            self._spawn(kept, dials=False)
        self._room.set()
        if self._feeding and self._feeder is not None:
            self._feeder.cancel()
        if self.ended:
            self.nudge()

    async def aclose(self) -> None:
        """End all that is in flight, and wait for that."""
        self._closing = True
        self.stop()
        if self._landed:
            self._settle()
        self._drop()
        tasks = self._all_tasks()
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
        """End all that is in flight, where nobody can wait for it."""
        self._stopping = self._closing = True
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if loop.is_running() and asyncio._get_running_loop() is not loop:  # noqa: SLF001 - it is public in all but name
            loop.call_soon_threadsafe(self._end)
        else:
            self._end()

    def _end(self) -> None:
        self._drop()
        for task in self._all_tasks():
            task.cancel()

    def _all_tasks(self) -> list[asyncio.Task[None]]:
        return [*self._tasks] if self._feeder is None else [*self._tasks, self._feeder]

    def _drop(self) -> None:
        """Forget the calls that no task has; what is under way ends, and its connections are not used again."""
        if self._sweep is not None:
            self._sweep.stop()
        for flight in self._flights:
            if flight.call is not None and flight.deadline is None:
                flight.abandon()
                self._going -= 1
        self._flights.clear()
        self._landed.clear()

    async def wait(self) -> bool:
        """Wait until something is ready, or `nudge` was called.

        Returns:
            Whether there may be more.

        Raises:
            BaseException: What the calls' own iterator has raised, once all that was in flight is taken.
        """
        if len(self.ready) >= self.patience:
            return True
        if not self.ended:
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        if self.ready or not self.ended:
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
            if not self._due:
                self._schedule()
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
        order = self._order
        while not self._stopping:
            # Where outcomes are ordered, the first call goes on whatever others have ready behind it.
            full = len(self.ready) if order is not None and number == order.first else self._pages
            if full < self._window:
                return True
            self._room.clear()
            await self._room.wait()
        self._cut = True
        if order is not None:
            order.end(number)
        return False

    # What is pulled, and when.

    def _schedule(self) -> None:
        """Let a step come soon: it is taken in the context of whoever has begun the bulk, as a task would."""
        if not self._due:
            self._due = True
            self._soon()

    def _step(self) -> None:
        """Make outcomes of what has ended, and begin as many as there is room for."""
        self._due = False
        if self._landed:
            self._settle()
        if self._feeder is None:
            while self._going < self.most and (pulled := self._kept or self._next()) is not None:
                if not self._begin(pulled):
                    break
        else:
            if self._kept is not None and self._going < self.most:
                self._begin(self._kept)
            self._room.set()
        if self._wake is not None and self.ended:
            self.nudge()

    def _next(self) -> Pulled | None:
        """Pull the next call that has to be asked, where there is room for its outcome; `None` is none, or not yet."""
        pulling = self._pulling
        if self._held >= self._window or pulling.drained or self._stopping:
            return None
        try:
            pulled = pulling.pull()
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcomes are taken
            clear_frames(error)  # which know what is no call, or not yet
            self._fault = error
            self.stop()
            return None
        if pulled is not None:
            self._held += 1
        elif not pulling.drained:
            self._schedule()  # many were skipped: others have their turn
        return pulled

    async def _feed(self) -> None:
        """Pull from an async iterable, one call after the other, while there is room."""
        while not self._stopping:
            if self._going >= self.most or self._held >= self._window or self._kept is not None:
                self._room.clear()
                await self._room.wait()
                continue
            self._feeding = True
            try:
                pulled = await self._pulling.apull()
            except asyncio.CancelledError:
                if self._stopping:
                    return
                raise
            finally:
                self._feeding = False
            if pulled is not None:
                self._held += 1
                self._begin(pulled)
            elif self._pulling.drained:
                return

    def _fed(self, feeder: asyncio.Task[None]) -> None:
        self._feeder = None
        self._heed(feeder)

    # How a call is sent, and how it ends.

    def _begin(self, pulled: Pulled) -> bool:
        """Send a call, in a task where it is not plain; tells whether there was a connection for it, or to be made."""
        self._kept = None
        call, lane = pulled[0], self._lane
        if lane is None or not _is_plain(call) or self._shape.is_series(call):
            self._spawn(pulled, dials=False)
            return True
        if self._free:
            flight = self._free.pop()
        else:
            flight = Flight(self._land)
            self._flights.add(flight)
        begun = lane.begin(call.method, call.path, call.body, flight)
        if begun is None:
            self._free.append(flight)
            room = lane.room()
            if room is not None and self._going and self._dialing >= room:
                self._kept = pulled  # something is under way, and will end
                return False
            self._spawn(pulled, dials=room is not None)
            return True
        flight.call, flight.key, flight.mark, flight.number = pulled
        flight.begun = begun
        flight.began = monotonic()
        self._going += 1
        if self._sweep is not None and not self._sweep.is_watching:
            self._sweep.watch()
        return True

    def _land(self, flight: Flight) -> None:
        """Hear of the end of an exchange, in the middle of what its connection does: a step sees to it."""
        self._landed.append(flight)
        if not self._due:
            self._due = True
            self._soon()

    def _settle(self) -> None:
        """Make outcomes of the answers that are plain successes; a task sees to each of the others."""
        lane, decoder = self._lane, self._shape.decoder
        assert lane is not None  # noqa: S101 - or nothing would have landed
        landed, self._landed = self._landed, []
        for flight in landed:
            response, call = flight.outcome, flight.call
            value = lane.read(response, decoder) if type(response) is Response else UNREAD
            if value is UNREAD or call is None:
                self._hand_over(flight)
                continue
            key, mark, number = flight.key, flight.mark, flight.number
            elapsed, size = flight.ended - flight.began, len(response.body)
            flight.call = flight.begun = flight.outcome = None
            self._free.append(flight)
            self._going -= 1
            if value is None or type(value) is Partial:
                outcome = self._outcome(value, call, Meta(key, response.status, elapsed, 1, size))
            else:
                outcome = Ok(value, call, Meta(key, response.status, elapsed, 1, size))
            self.put(number, outcome, mark)

    def _hand_over(self, flight: Flight) -> None:
        """Let a task go on with a call whose first exchange has not ended in a plain success."""
        if self._closing:
            return
        seconds = math.inf if self._lane is None or self._lane.seconds is None else self._lane.seconds
        deadline = Deadline({}, None, flight.began + seconds, 0, seconds)
        deadline.expired = isinstance(flight.outcome, asyncio.CancelledError)
        flight.deadline = deadline
        deadline.task = self._run(self._resume(flight, deadline))

    async def _resume(self, flight: Flight, deadline: Deadline) -> None:
        lane, call = self._lane, flight.call
        assert lane is not None and call is not None  # noqa: S101, PT018 - it is under way
        try:
            going_on = lane.go_on(self._shape.asked(call), flight.begun, flight.outcome, deadline, flight.began)
            flight.outcome = None
            await self._ended(going_on, call, flight.key, flight.mark, flight.number, flight.began)
        finally:
            self._flights.discard(flight)

    def _spawn(self, pulled: Pulled, *, dials: bool) -> None:
        """Send a call in a task."""
        self._going += 1
        self._dialing += dials
        _ = self._run(self._work(pulled, dials=dials))

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._left)
        return task

    async def _work(self, pulled: Pulled | None, *, dials: bool) -> None:
        """Ask; where there is no lane, go on with the next call."""
        try:
            while pulled is not None:
                call, key, mark, number = pulled
                if self._shape.is_series(call):
                    await self._walks.walk(call, key, mark, self._ask, _Seat(self, number))
                else:
                    await self._ended(self._ask(self._shape.asked(call)), call, key, mark, number, monotonic())
                pulled = self._next() if self._lane is None and self._feeder is None else None
        finally:
            self._dialing -= dials

    async def _ended(
        self, asked: Awaitable[Any], call: Call, key: str | None, mark: bytes | None, number: int, began: float
    ) -> None:
        """Wait for what comes of a call, and make an outcome of it."""
        try:
            answer = await asked
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome
            go_on(error)
            outcome: Outcome[Any] = failed(error, call, key, monotonic() - began)
        else:
            if type(answer) is not Measured:
                raise self._shape.no_answer(answer)
            meta = Meta(key, answer.status, answer.elapsed, answer.attempts, answer.size)
            outcome = self._outcome(answer.value, call, meta)
        self.put(number, outcome, mark)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._going -= 1
        self._heed(task)

    def _heed(self, task: asyncio.Task[None]) -> None:
        """Take note of how a task has ended; an error of its own ends the bulk."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not self._closing:
            clear_frames(error)
            self._fault = self._fault or error
            self.stop()
        self._schedule()

    def _outcome(self, value: Any, call: Call, meta: Meta) -> Outcome[Any]:
        """Make the outcome of an answer that is a success."""
        rejects: Sequence[Reject] = ()
        if type(value) is Partial:
            rejects = () if self._shape.skips else value.rejects
            value = value.items
        elif value is None and not meta.bytes and not self._shape.takes_none(call):
            return failed(self._shape.empty(call, meta.status or 0), call, meta.key, meta.elapsed)
        return Ok(value, call, meta, rejects)

    def put(self, number: int, outcome: Outcome[Any], mark: bytes | PageMark | None) -> None:
        """Make an outcome ready, where outcomes are ordered when its turn has come.

        Args:
            number: Of its call.
            outcome: What comes of it, or of a page of it.
            mark: What a journal is told.
        """
        order = self._order
        if order is None:
            self.ready.append((outcome, mark))
        else:
            order.put(number, (outcome, mark))
        if not outcome.meta.last:
            self._pages += 1
        elif order is not None:
            order.end(number)
            self._room.set()
        wake = self._wake
        if wake is not None and len(self.ready) >= self.patience and not wake.done():
            wake.set_result(None)


def _is_plain(call: Call) -> bool:
    """Tell whether a call names nothing that the lane does not know."""
    return (
        call.headers is None
        and call.parameters is None
        and call.data is None
        and call.response_format is None
        and call.items is None
        and call.timeout is UNSET
        and call.cookies is None
        and call.error_responses is None
        and call.method in EMPTY_BODY
    )
