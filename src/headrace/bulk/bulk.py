"""`client.bulk(…)`: many calls, as outcomes that are iterated or as rows that are written."""

from __future__ import annotations

import asyncio
import warnings
from functools import partial
from hashlib import blake2b
from time import time
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import msgspec

from headrace import _calling, _stopping
from headrace._checks import is_number, wrong, wrong_number
from headrace._core.call import Call
from headrace._core.limits.pace import Pace
from headrace._core.values.partial import check_on_invalid
from headrace._io.flow.pacing import Pacer
from headrace.bulk import given
from headrace.bulk._sinks.base import Sink, Target
from headrace.bulk.batches import Keeper
from headrace.bulk.engine import Engine
from headrace.bulk.handing import Handing
from headrace.bulk.keys import Digests
from headrace.bulk.outcomes import Ok
from headrace.bulk.pulling import Known
from headrace.bulk.report import Report
from headrace.bulk.running import Run, Thread
from headrace.bulk.samples import Sampler
from headrace.bulk.series import Kept, Walks
from headrace.bulk.shape import Shape
from headrace.bulk.source import Source, check_incremental
from headrace.bulk.tally import Tally
from headrace.errors import AsyncClientError, ValidationError
from headrace.types import UNSET

if TYPE_CHECKING:
    from headrace._core.pages.incremental import Incremental
    from headrace.bulk.client import BulkClient
    from headrace.bulk.outcomes import Outcome

T = TypeVar("T")


class Bulk(Generic[T]):
    """Many calls at once; made by `AsyncClient.bulk`, and used once.

    Iterated, it gives an `Ok` or `Err` for each call; `run()` writes the rows into the sink instead. Nothing is pulled
    and nothing sent before either begins. Leave it early inside ``async with``, or call `aclose()`.
    """

    def __init__(self, client: BulkClient, calls: Any, options: dict[str, Any]) -> None:
        self._client = client
        self._report = report = Report()
        in_flight, ordered = options["in_flight"], options["ordered"]
        self._options = options
        self._retry = given.retry_of(options["retry"])
        self._path = given.journal_path(options["journal"], options["sink"])
        self._shape = shape = self._shaped()
        has_rows = shape.items is not None or shape.pages is not None
        self._source = Source(calls, has_rows=has_rows, has_journal=self._path is not None)
        self._tally = Tally(report, given.statuses(options["expected"]), given.most_failures(options["max_failures"]))
        self._transform = options["transform"]
        if self._transform is not None and not callable(self._transform):
            raise wrong("transform", self._transform, "a function of a row")
        self._sink = sink = options["sink"]
        if sink is not None and not isinstance(sink, Sink):
            raise wrong("sink", sink, "a sink of headrace.sinks, or of your own")
        self._every = options["commit_every"]
        if not is_number(self._every):
            raise wrong_number("commit_every", self._every, "a number of seconds above 0")
        progress = options["progress"]
        if progress not in (None, False, True) and not callable(progress):
            raise wrong("progress", progress, "a function of the report, or True for a bar")
        self._in_flight = given.width(in_flight)
        self._ordered = bool(ordered)
        self._engine: Engine | None = None
        self._handing: Handing | None = None
        self._used = False
        self._busy = False
        self._stopped = False

    def _shaped(self) -> Shape:
        options, has_journal = self._options, self._path is not None
        items, pages, incremental = options["items"], options["pages"], options["incremental"]
        if incremental is not None:
            check_incremental("incremental", incremental, has_journal=has_journal)
            if items is None and pages is None:
                raise ValidationError("incremental: compares rows; items= or pages= says where they are")
        on_invalid = check_on_invalid(options["on_invalid"])
        verbatim = isinstance(options["sink"], Target) and options["sink"].takes_json and options["transform"] is None
        shape = Shape(options["response_format"], items, on_invalid, pages, incremental, verbatim=verbatim)
        if shape.serial:
            self._client.series(shape.first(Call()))  # what is wrong with it is heard of here
        return shape

    @property
    def report(self) -> Report:
        """What was done so far."""
        return self._report

    @property
    def may_be_ahead(self) -> bool:
        """Whether outcomes may be taken before they are used: no journal has to know which were."""
        return self._path is None

    def stop(self) -> None:
        """Pull no more calls; what is in flight ends, and is handed out or written."""
        self._stopped = True
        if self._engine is not None:
            self._engine.stop()

    async def run(self) -> Report:
        """Run all calls, and write their rows into the sink.

        Returns:
            What was done. A call that failed raises nothing here: see `Report.ok` and `Report.raise_for_failures`.

        Raises:
            headrace.errors.ValidationError: There is no sink, or one of the calls is none.
            headrace.errors.JournalError: The journal cannot be used.
            headrace.errors.SinkError: The sink cannot be written; what was committed before stays.
            headrace.errors.AsyncClientError: The client is closed, or this was used before.
        """
        if self._sink is None:
            raise ValidationError("sink: run() needs one; sinks.Discard() throws the rows away")
        expect = getattr(self._sink, "expect", None)
        if expect is not None and self._transform is None:
            expect(self._shape.format)
        self._begin()
        client: Any = self._client  # which has more than the law of a bulk needs
        sampler = None if self._path is None else Sampler(self._report, client.stats, time())
        keeper = Keeper(self._sink, self._path, self.job, {**client.settings(), **self._shown()})
        thread = Thread()
        progress, bar = _progress(self._options["progress"])
        progress = _calling.teller(progress)
        try:
            engine = await self._start(await thread.run(keeper.open), keeper, thread)
            await Run(engine, keeper, thread, self._tally, self._transform, self._every, progress, sampler).run()
            if engine.finished:
                await thread.run(keeper.finish)
        finally:
            self._report.end()
            self._report.stopped = self._engine is not None and self._engine.stopped
            _stopping.end(self)
            if bar is not None:
                bar.stop()
            try:
                await thread.run(keeper.close)
            finally:
                thread.end()
        return self._report

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome[T]:
        engine = self._engine
        if engine is None or self._handing is None or self._path is not None or self._busy or not engine.ready:
            engine = await self._next_ready()
        outcome, mark, _ = engine.take()
        report = self._report
        if type(outcome) is Ok and not outcome.rejects:
            failure = False
            report.answered(outcome.meta)
        else:
            failure = self._tally.count(outcome)
            if failure and self._tally.exceeded:
                engine.stop()
        if type(outcome) is Ok:
            report.rows += len(outcome.value) if type(outcome.value) is list else 1
        if self._handing is not None and self._path is not None:
            self._handing.hand(outcome, mark, failure=failure)
        return outcome

    async def _next_ready(self) -> Engine:
        """Wait until there is something to take; raises `StopAsyncIteration` where nothing comes any more."""
        if self._busy:
            raise AsyncClientError("a bulk is read by one task at a time")
        self._busy = True
        try:
            if self._handing is None:
                await self._begin_handing()
            engine, handing = self._engine, self._handing
            assert engine is not None and handing is not None  # noqa: S101, PT018 - begun above
            if handing.keeper is not None:
                await handing.next_is_asked()
            self._report.sort()
            if not engine.ready:
                await self._wait(engine, handing)
        finally:
            self._busy = False
        return engine

    async def _wait(self, engine: Engine, handing: Handing) -> None:
        """Wait until something is ready; raises `StopAsyncIteration` behind the last."""
        try:
            more = True
            while more and not engine.ready:  # it may be only to look at the time
                more = await engine.wait()
        except BaseException as error:
            await self.aclose()
            if isinstance(error, StopAsyncIteration):  # of the calls, which would look like their end
                raise RuntimeError("calls raised StopAsyncIteration") from error  # noqa: TRY004 - as generators do
            raise
        if not more:
            handing.is_finished = engine.finished
            await self.aclose()
            raise StopAsyncIteration

    async def aclose(self) -> None:
        """End what is in flight, and keep what was handed out; may be called more than once."""
        self._used = True
        engine, handing = self._engine, self._handing
        if engine is None:
            return
        _stopping.end(self)
        try:
            await engine.aclose()
        finally:
            engine.ready.clear()
            self._report.end()
            self._report.stopped = engine.stopped
            if handing is not None:
                await handing.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self, warn: Any = warnings.warn) -> None:
        """Warn of what was left while calls are in flight, and end them."""
        engine: Engine | None = vars(self).get("_engine")
        if engine is not None and not engine.ended:
            warn(f"unclosed {self!r}", ResourceWarning, source=self)
            engine.abandon()

    def __repr__(self) -> str:
        return f"<Bulk of {self._client.uri}, {self._report!r}>"

    def _begin(self) -> None:
        if self._used:
            raise AsyncClientError("this bulk was used before; make another with client.bulk(…)")
        if self._client.closed:
            raise AsyncClientError("the client is closed; nothing was sent")
        self._used = True

    async def _begin_handing(self) -> None:
        if self._sink is not None:
            raise ValidationError("sink: is written by run(); iterate a bulk without one")
        self._begin()
        keeper = None if self._path is None else Keeper(None, self._path, self.job)
        thread = None if keeper is None else Thread()
        handing = Handing(keeper, thread, self._every)
        try:
            self._engine = await self._start(None if keeper is None else await handing.open(), keeper, thread)
        except BaseException:  # a cancellation too, for which the thread was waited for
            await handing.aclose()
            raise
        self._handing = handing

    async def _start(
        self, kept: tuple[Digests, Digests] | None, keeper: Keeper | None, thread: Thread | None
    ) -> Engine:
        """Begin to pull, but for what the journal has."""
        known = None
        if kept is not None:
            skipped = kept if not self._options["retry_failed"] else kept[:1]
            known = Known(self._client.place, skipped, Digests())
        width = self._in_flight
        most = width if isinstance(width, int) else Pacer(Pace(*width))
        ask = await self._client.begin(self._retry, None if isinstance(most, int) else most)
        known_series = None
        if keeper is not None and thread is not None and keeper.has_series:
            known_series = Kept(partial(thread.run, keeper.series))
        walks = Walks(self._client, self._shape, known_series)
        self._source.pull_where_called(width if isinstance(width, int) else width[1])
        engine = Engine(self._source, self._shape, self._report, known, walks, most, ordered=self._ordered)
        self._engine = engine
        self._report.begin()
        _stopping.begin(self, asyncio.get_running_loop())
        engine.start(ask)
        if self._stopped:
            engine.stop()
        return engine

    def _shown(self) -> dict[str, str]:
        """Say how it is run, for a report."""
        names = (
            "in_flight",
            "ordered",
            "expected",
            "on_invalid",
            "retry_failed",
            "commit_every",
            "max_failures",
        )
        shown = {name: repr(self._options[name]) for name in names}
        return shown if self._options["retry"] is UNSET else {**shown, "retry": repr(self._options["retry"])}

    @property
    def job(self) -> dict[str, str]:
        """What a journal is of."""
        sink = self._sink
        items, pages = self._options["items"], self._options["pages"]
        return {
            "uri": self._client.uri,
            "format": _schema(self._shape.format),
            "items": "the document"
            if items is None
            else items
            if isinstance(items, str)
            else ".".join(map(str, items)),
            "incremental": _field(self._shape.incremental),
            "pages": "none" if pages is None else getattr(pages, "__qualname__", None) or repr(pages),
            "sink": "none" if sink is None else getattr(sink, "identity", None) or type(sink).__qualname__,
        }


def _field(incremental: Incremental | None) -> str:
    """Name what new rows are told by."""
    if incremental is None:
        return "none"
    from headrace._core.pages.sieve import Sieve  # few need it, and everybody would wait for its import

    return Sieve(incremental, None).field


def _schema(response_format: Any) -> str:
    """Digest the schema of a format, with its name to be read."""
    name = getattr(response_format, "__name__", str(response_format))
    try:
        text = msgspec.json.encode(msgspec.json.schema(response_format), order="sorted")
    except Exception:  # noqa: BLE001 - whatever has no schema has a name
        schema = getattr(response_format, "model_json_schema", None)
        text = (str(schema()) if callable(schema) else name).encode()
    return f"{name} ({blake2b(text, digest_size=6).hexdigest()})"


def _progress(progress: Any) -> tuple[Any, Any]:
    """Find whom to tell, and what to stop at the end."""
    if progress is not True:
        return progress or None, None
    from headrace.bulk._bar import Bar

    bar = Bar()
    return bar, bar
