"""Many calls at once: pulled when there is room, sent without a task where they are plain, handed over as they end."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, Final

from headrace._core.messages import Response
from headrace._core.values.decode import UNREAD
from headrace._core.values.partial import Partial
from headrace._io.frames import clear_frames
from headrace.bulk.feeding import Feeder
from headrace.bulk.flight import Flights
from headrace.bulk.outbox import Outbox
from headrace.bulk.outcomes import Meta, Ok
from headrace.bulk.pulling import Pulling
from headrace.bulk.seats import Seats
from headrace.bulk.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace._io.deadline import Deadline
    from headrace._io.flow.pacing import Pacer
    from headrace.bulk.client import BulkLane, BulkWay
    from headrace.bulk.flight import Flight
    from headrace.bulk.ordering import Ended
    from headrace.bulk.pulling import Known
    from headrace.bulk.report import Report
    from headrace.bulk.series import Walks
    from headrace.bulk.shape import Shape
    from headrace.bulk.source import Pulled, Source

_AT_ONCE: Final = 256  # calls that are begun in one step, at most


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
        in_flight: How many, or what says so.
        ordered: Whether outcomes come in the order of their calls.

    Attributes:
        most: How many may be in flight.
        ready: What has ended and may be taken, with the digest of its call and its number.
    """

    def __init__(
        self,
        source: Source,
        shape: Shape,
        report: Report,
        known: Known | None,
        walks: Walks,
        in_flight: int | Pacer,
        *,
        ordered: bool,
    ) -> None:
        self._source = source
        self._shape = shape
        self._pulling = Pulling(source, shape, report, known)
        self._walks = walks
        self._report = report
        self._pacer = None if isinstance(in_flight, int) else in_flight
        self._ahead = 4 if ordered else 2
        self._outbox = Outbox(ordered=ordered)
        self.ready = self._outbox.ready
        self._seats = Seats(self._outbox, self._may_fly, self._schedule)
        self._is_patient = False
        self._widen(in_flight if isinstance(in_flight, int) else in_flight.width)
        self._held = 0  # calls that are pulled and whose outcomes are not taken
        self._going = 0  # those of them that are under way
        self._kept: list[Pulled] = []  # those that are pulled, and wait for a connection to become idle
        self._flights = Flights(self._schedule)
        self._tasks = Tasks()
        self._dialing = 0  # tasks that were begun for want of an idle connection
        self._feeder: Feeder | None = None
        self._full = False  # whether more would be pulled if outcomes were taken
        self._ask: BulkWay
        self._lane: BulkLane | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._soon: Callable[[], object]
        self._due = False  # whether a step is
        self._stopping = self._closing = False
        self._fault: BaseException | None = None

    def _widen(self, width: int) -> None:
        self.most = self._report.in_flight = width
        self._window = self._seats.window = width * self._ahead
        if self._is_patient:
            self._outbox.patience = max(1, width // 2)
            self._outbox.tell()

    def start(self, ask: BulkWay) -> None:
        """Begin to pull and to ask."""
        self._ask = ask
        self._loop = loop = asyncio.get_running_loop()
        context = copy_context()
        self._soon = lambda: loop.call_soon(self._step, context=context)
        if self._shape.decoder is not None and ask.lane is not None and not self._shape.serial:
            self._lane = ask.lane
            self._flights.limit(self._lane.seconds)
        if self._source.asynchronous:
            self._feeder = Feeder(self._pulling, self._has_room, self._feed, self._tasks, self._fed)
        self._schedule()

    @property
    def ended(self) -> bool:
        """Whether nothing more becomes ready."""
        over = self._pulling.drained or self._stopping
        return over and not self._going and self._feeder is None and not self._kept

    @property
    def finished(self) -> bool:
        """Whether everything was asked for, and has ended."""
        return self._pulling.drained and self.ended and not self._seats.cut and self._fault is None

    @property
    def stopped(self) -> bool:
        """Whether it was stopped while there may have been more calls, or pages."""
        return self._seats.cut or (self._stopping and not self._pulling.drained)

    def stop(self) -> None:
        """Pull nothing more; what is pulled ends."""
        self._stopping = True
        kept, self._kept = self._kept, []
        if not self._closing:
            for each in kept:
                self._spawn(each, dials=False)
        self._seats.stop()
        if self._feeder is not None:
            self._feeder.stop()
        if self.ended:
            self.nudge()

    async def aclose(self) -> None:
        """End all that is in flight, and wait for that."""
        self._closing = True
        self.stop()
        if self._flights.landed:
            self._settle()
        self._end()
        try:
            await self._tasks.gone()
        finally:
            await self._source.aclose()

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
        if self._pacer is not None:
            self._pacer.stop()
        self._going -= self._flights.drop()
        self._tasks.cancel()

    async def wait(self) -> bool:
        """Wait until something is ready, or `nudge` was called.

        Returns:
            Whether there may be more.

        Raises:
            BaseException: What the calls' own iterator has raised, once all that was in flight is taken.
        """
        if len(self.ready) >= self._outbox.patience:
            return True
        if not self.ended:
            await self._outbox.wait()
        if self.ready or not self.ended:
            return True
        if self._fault is not None:
            raise self._fault
        return False

    def be_patient(self) -> None:
        """Let `wait` return when half as many are ready as may be in flight, or at `nudge`, or at the end."""
        self._is_patient = True
        self._widen(self.most)

    def nudge(self) -> None:
        """Let whoever waits look again."""
        self._outbox.nudge()

    def take(self) -> Ended:
        """Take what is ready first; there has to be something."""
        taken = self.ready.popleft()
        if taken[0].meta.last:
            self._held -= 1
            if self._full:
                self._full = False
                self._schedule()
        else:
            self._seats.pages -= 1
        if self._seats.waiting:
            self._seats.look()
        return taken

    # What is pulled, and when.

    def _schedule(self) -> None:
        """Let a step come soon: it is taken in the context of whoever has begun the bulk, as a task would."""
        if not self._due:
            self._due = True
            self._soon()

    def _step(self) -> None:
        """Make outcomes of what has ended, and begin as many as there is room for."""
        self._due = False
        if self._flights.landed:
            self._settle()
        if self._pacer is not None and self._pacer.width != self.most:
            self._widen(self._pacer.width)
        if self._seats.waiting:
            self._seats.look()
        if self._feeder is None and not self._kept:
            self._pull()
        self._begin(self._kept)
        if self._feeder is not None:
            self._feeder.look()
        self._flights.release()
        if self.ended:
            self.nudge()

    def _pull(self) -> None:
        """Pull the calls that there is room for, in flight and for their outcomes; they are kept for `_begin`."""
        room = min(self.most - self._going, self._window - self._held, _AT_ONCE)
        self._full = self._held >= self._window
        if room <= 0 or self._pulling.drained or self._stopping:
            return
        try:
            self._pulling.pull(room, self._kept)  # no list here: a frame that an error came through would have it
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcomes are taken
            self._held += len(self._kept)
            clear_frames(error)  # which know what is no call, or not yet
            self._fault = error
            self.stop()
        else:
            self._held += len(self._kept)
            if len(self._kept) < room or room == _AT_ONCE:
                self._schedule()  # many were skipped, or more may be begun: others have their turn

    def _may_fly(self, waiting: int) -> bool:
        """Tell whether another call may be in flight, where so many of those under way wait."""
        return self._going - waiting < self.most

    def _has_room(self) -> bool:
        """Tell whether an async iterable may be pulled; where it may not, the feeder is told when to look again."""
        self._full = self._held >= self._window
        return self._going < self.most and not self._full and not self._kept

    def _feed(self, call: Pulled) -> None:
        self._held += 1
        self._begin([call])
        self._flights.release()

    def _fed(self, error: BaseException | None) -> None:
        self._feeder = None
        self._heed(error)

    # How a call is sent, and how it ends.

    def _begin(self, pulled: list[Pulled]) -> None:
        """Send calls; those for which there is no connection now, nor one to be made, are kept."""
        self._kept = []
        lane, pacer, flights, free = self._lane, self._pacer, self._flights, self._flights.free
        now, begun_here = monotonic(), 0
        get = None if lane is None or not pulled else lane.form("GET", None)
        try:
            for index, each in enumerate(pulled):
                if self._going + begun_here >= self.most:  # the width has shrunk since it was pulled
                    self._kept = pulled[index:]
                    break
                call = each[0]
                if lane is None or not each[4]:
                    self._spawn(each, dials=False)
                    continue
                if pacer is not None and not pacer.try_start():
                    pacer.when_free(self._schedule)
                    self._kept = pulled[index:]
                    break
                form = get if call.body is None and call.method == "GET" else lane.form(call.method, call.body)
                flight = free.pop() if free else flights.new()
                if form is not None:
                    kept, flight.begun = flight.begun, None
                    kept = None if kept is None else kept.connection
                    flight.begun = form.begin(call.path, call.body, flight, now, kept)
                    if flight.begun is not None:
                        flight.pulled = each
                        begun_here += 1
                        continue
                if pacer is not None:
                    pacer.in_flight -= 1
                flight.release()
                free.insert(0, flight)
                room = lane.room()
                if room is not None and (self._going or begun_here) and self._dialing >= room:
                    self._kept = pulled[index:]  # something is under way, and will end
                    break
                self._spawn(each, dials=room is not None)
        finally:
            if begun_here and lane is not None:
                self._going += begun_here
                lane.count(begun_here, now)
                flights.watch()

    def _settle(self) -> None:
        """Make outcomes of the answers that are plain successes; a task sees to each of the others."""
        lane, shape, decoder = self._lane, self._shape, self._shape.decoder
        assert lane is not None  # noqa: S101 - or nothing would have landed
        read, free, put = lane.read, self._flights.free, self._outbox.put
        landed = self._flights.landed[:]
        self._flights.landed.clear()
        wanted = lane.is_wanted
        for flight in landed:
            response, pulled = flight.outcome, flight.pulled
            if self._pacer is not None:
                self._pacer.ended(response, flight.ended - flight.begun.began)
            assert pulled is not None  # noqa: S101 - it is under way
            if type(response) is not Response or (value := read(response, decoder)) is UNREAD:
                self._hand_over(flight)
                continue
            call, key, mark, number, _ = pulled
            flight.pulled = flight.outcome = None
            free.append(flight)
            self._going -= 1
            meta = Meta(key, response.status, flight.ended - flight.begun.began, 1, len(response.body))
            if wanted:
                flight.release()
            is_plain = value is not None and type(value) is not Partial
            outcome = Ok(value, call, meta) if is_plain else shape.outcome(value, call, meta)
            put((outcome, mark, number))
        self._outbox.tell()

    def _hand_over(self, flight: Flight) -> None:
        """Let a task go on with a call whose first exchange has not ended in a plain success."""
        flight.begun.connection.release()
        if self._closing:
            return
        deadline = flight.hand_over(None if self._lane is None else self._lane.seconds)
        deadline.task = self._tasks.begin(self._resume(flight, deadline), self._left)

    async def _resume(self, flight: Flight, deadline: Deadline) -> None:
        lane, pulled, begun = self._lane, flight.pulled, flight.begun
        assert lane is not None and pulled is not None  # noqa: S101, PT018 - it is under way
        try:
            going_on = lane.go_on(self._shape.asked(pulled[0]), begun, flight.outcome, deadline, begun.began)
            flight.outcome = None
            self._outbox.add(await self._shape.ended(going_on, pulled, begun.began))
        finally:
            self._flights.discard(flight)

    def _spawn(self, pulled: Pulled, *, dials: bool) -> None:
        """Send a call in a task."""
        self._going += 1
        self._dialing += dials
        _ = self._tasks.begin(self._work(pulled, dials=dials), self._left)

    async def _work(self, pulled: Pulled, *, dials: bool) -> None:
        call, key, mark, number, _ = pulled
        try:
            if self._shape.is_series(call):
                await self._walks.walk(call, key, mark, self._ask, self._seats.seat(number))
            else:
                self._outbox.add(await self._shape.ended(self._ask(self._shape.asked(call)), pulled, monotonic()))
        finally:
            self._dialing -= dials

    def _left(self, error: BaseException | None) -> None:
        self._going -= 1
        self._heed(error)

    def _heed(self, error: BaseException | None) -> None:
        """Take note of how a task has ended; an error of its own ends the bulk."""
        if error is not None and not self._closing:
            clear_frames(error)
            self._fault = self._fault or error
            self.stop()
        self._schedule()
