"""`headrace.ray.bulk`: shards over a pool of actors, each with one client, and one ledger of what is done."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from headrace._checks import is_number, wrong, wrong_number
from headrace._client.calling import Calling
from headrace._core.limits.windows import positive
from headrace.bulk._sinks.base import Target
from headrace.bulk._sinks.discard import Discard
from headrace.bulk.given import journal_path
from headrace.bulk.shards import MOST_CALLS, Ledger, Shard, ShardResult, ShardWork, refuse_series, run_shard
from headrace.bulk.tally import Tally
from headrace.errors import ClientError
from headrace.ray._cluster import Recipe, begin, engine, importable, portable, recipe
from headrace.ray._limits import LATENESS, hold, shared

if TYPE_CHECKING:
    from typing import Self, Unpack

    from headrace.bulk.bulk import Bulk
    from headrace.bulk.options import BulkOptions
    from headrace.bulk.report import Report
    from headrace.client import AsyncClient
    from headrace.config import ClientConfig

#: Shards that an actor has at once: while one ends, the other is under way.
_EACH: Final = 2
#: How often one shard may be lost with its actor.
_MOST_LOST: Final = 5
#: Words of `client.bulk` that are the driver's own.
_OURS: Final = ("sink", "journal", "retry_failed", "progress", "max_failures")


def bulk(
    client: type[AsyncClient] | ClientConfig | Recipe,
    calls: Any,
    *,
    response_format: Any = None,
    items: Any = None,
    actors: int | str = "auto",
    shard: int = MOST_CALLS,
    address: str | None = None,
    lateness: float = LATENESS,
    **options: Unpack[BulkOptions],
) -> Report:
    """Make many calls over the machines of a Ray cluster, and write their rows into a folder; blocks until all is done.

    Calls are made in shards by a pool of actors, each with one client. A shard's rows are one file, which is written
    aside; a journal notes what the shard ends, and then the file gets its name. So every key comes exactly once,
    whatever is killed: an actor or the whole run costs at most the shards that were open. Started again with the same
    folder, it goes on. The client's limit holds over all actors together.

    Args:
        client: A class of `AsyncClient`, which is made without arguments, or the `config` of a client. Whatever it
            holds, its credentials too, travels to the actors in pickles.
        calls: As for `AsyncClient.bulk`; or a Ray Dataset, whose columns are named as the arguments of `Call`.
        response_format: As for `AsyncClient.bulk`. Models have to be in modules that the workers can import.
        items: As for `AsyncClient.bulk`.
        actors: How many; ``"auto"`` is one for each CPU of the cluster.
        shard: Calls of a shard, 1,000 at most.
        address: Of the cluster; `None` is the one that Ray is connected to or finds, or else this machine.
        lateness: Seconds from asking for a start to the start, at most, where an actor keeps the client's limit.
        options: The words of `AsyncClient.bulk`. `sink` is `sinks.Parquet(folder)` or `sinks.NDJSON(folder)` on a disk
            that all machines reach. There always is a journal, beside the folder unless `journal` names another path.
            `in_flight` is that of each actor. `commit_every` has no use here; `pages` and `incremental` are refused.

    Returns:
        What was done, as of a run on one machine.

    Raises:
        headrace.errors.ValidationError: An argument is wrong, or cannot be sent to other processes.
        headrace.errors.JournalError: The journal is of another job, or in use.
        headrace.errors.SinkError: The folder cannot be used.
        headrace.errors.ClientError: The actors die again and again.
        ImportError: Ray is not installed, or too old.
    """
    ray = engine()
    if actors != "auto" and not is_number(actors, integer=True):
        raise wrong_number("actors", actors, "a whole number above 0, or 'auto'")
    positive("lateness", lateness)
    words: dict[str, Any] = {"response_format": response_format, "items": items, **options}
    made, ledger, tally = _prepared(client, calls, words, shard, lateness)
    ledger.open()
    try:
        begin(address)
        log = hold(made.config)  # else it would be gone with the actor that has made it
        count = max(1, int(ray.cluster_resources().get("CPU", 1))) if actors == "auto" else int(actors)
        with _Pool(ray, made, ledger.work(_sent(words)), count) as pool:
            _run(pool, ledger, tally, options.get("progress"))
        del log
    finally:
        ledger.close()
    return ledger.report


def _prepared(
    client: Any, calls: Any, words: dict[str, Any], size: int, lateness: float
) -> tuple[Recipe, Ledger, Tally]:
    """Look at every word, before anything is sent."""
    refuse_series("", words)
    made = recipe(client)
    importable("response_format", words["response_format"])
    local: Any = made.make()  # the words are any, and `bulk` has overloads
    probe = local.bulk([], **{**words, "sink": Discard(), "journal": None})
    ledger = _ledger(probe, local, calls, words, size)
    made = made._replace(config=shared(made.config, lateness, os.urandom(8).hex()))
    portable("client", made)
    for name in ("response_format", "items", "retry", "expected"):
        portable(name, words.get(name))
    portable("transform", words.get("transform"), engine().cloudpickle.dumps)
    return made, ledger, Tally(ledger.report, frozenset(), words.get("max_failures"))


def _sent(words: dict[str, Any]) -> dict[str, Any]:
    """Choose the words that go to the shards; those of one actor share what may be in flight."""
    sent = {name: value for name, value in words.items() if name not in _OURS}
    width = sent.get("in_flight", 64)
    if is_number(width, integer=True):
        sent["in_flight"] = -(-width // _EACH)
    elif isinstance(width, (tuple, list)):
        sent["in_flight"] = tuple(-(-each // _EACH) for each in width)
    return sent


def _ledger(probe: Bulk[Any], local: AsyncClient, calls: Any, words: dict[str, Any], size: int) -> Ledger:
    sink, journal = words.get("sink"), words.get("journal", True)
    if journal is False:
        raise wrong("journal", journal, "a path, or True for one beside the folder; what is done is known by it")
    rows = getattr(calls, "iter_rows", None)
    ledger = Ledger(
        Calling(local), rows() if callable(rows) else calls, sink,
        None if journal is None or journal is True else journal_path(journal, sink), probe.job,
        size=size, has_items=words["items"] is not None, retry_failed=words.get("retry_failed", True),
    )  # fmt: skip
    if words.get("transform") is None and isinstance(sink, Target):
        sink.expect(words["response_format"])
    return ledger


class ShardActor:
    """Makes the calls of shards with one client; an actor of Ray."""

    def __init__(self, made: Recipe, work: ShardWork) -> None:
        self._client = made.make()
        self._work = work

    async def run(self, shard: Shard) -> ShardResult:
        """Make the calls of one shard."""
        return await run_shard(self._client, self._work, shard)


class _Pool:
    """The actors, and which shards each of them has."""

    def __init__(self, ray: Any, made: Recipe, work: ShardWork, count: int) -> None:
        self.ray = ray
        self._kind = ray.remote(num_cpus=1, max_concurrency=_EACH)(ShardActor)
        self._made = (made, work)
        self._shards: dict[Any, tuple[int, Shard]] = {}  # by what is waited for: which actor, and what it does
        self._actors = [self._start() for _ in range(count)]
        self._lost: dict[int, int] = {}

    def _start(self) -> Any:
        return self._kind.remote(*self._made)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self._actors:
            self.ray.kill(actor)

    @property
    def busy(self) -> int:
        """How many shards are under way."""
        return len(self._shards)

    @property
    def free(self) -> int:
        """How many more there may be."""
        return len(self._actors) * _EACH - len(self._shards)

    def give(self, shard: Shard) -> None:
        """Give a shard to the actor that has fewest."""
        has = [0] * len(self._actors)
        for index, _ in self._shards.values():
            has[index] += 1
        self._give(has.index(min(has)), shard)

    def _give(self, index: int, shard: Shard) -> None:
        try:
            waited = self._actors[index].run.remote(shard)
        except (TypeError, ValueError, AttributeError) as error:  # it cannot be pickled
            portable(f"calls of shard {shard.number}", shard.calls)
            raise ClientError(f"shard {shard.number} cannot be sent: {error}") from error
        self._shards[waited] = (index, shard)

    def wait(self, seconds: float) -> list[ShardResult]:
        """Wait for shards, and give those of an actor that has died to another one in its place."""
        ended, _ = self.ray.wait(list(self._shards), num_returns=1, timeout=seconds)
        results = []
        for each in ended:
            if each not in self._shards:  # given to another one in the meantime
                continue
            index, shard = self._shards.pop(each)
            try:
                results.append(self.ray.get(each))
            except self.ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, Exception) else error) from None
            except self.ray.exceptions.RayError as error:  # the actor was killed, its memory ran out, its machine died
                self._replace(index, shard, error)
        return results

    def _replace(self, index: int, shard: Shard, error: Exception) -> None:
        with suppress(Exception):  # it is dead
            self.ray.kill(self._actors[index])
        self._actors[index] = self._start()
        theirs = [shard, *(each for at, each in self._shards.values() if at == index)]
        self._shards = {waited: (at, each) for waited, (at, each) in self._shards.items() if at != index}
        for each in theirs:
            self._lost[each.number] = lost = self._lost.get(each.number, 0) + 1
            if lost > _MOST_LOST:
                message = f"shard {each.number} was lost with its actor {lost} times, the last time: {error}"
                raise ClientError(message) from error
            self._give(index, each)


def _run(pool: _Pool, ledger: Ledger, tally: Tally, progress: Any) -> None:
    """Keep all actors busy until there is nothing left, or too much has failed."""
    report = ledger.report
    told: Any = progress if callable(progress) else None
    bar = None
    if progress is True:
        from headrace.bulk._bar import Bar

        told = bar = Bar()
    began = time.monotonic()
    shards = ledger.shards()
    more = True
    try:
        while more or pool.busy:
            while more and pool.free:
                shard = next(shards, None)
                if shard is None:
                    more = False
                else:
                    pool.give(shard)
            for result in pool.wait(0.5) if pool.busy else ():
                ledger.take(result)
                if tally.exceeded:
                    more, report.stopped = False, True
            report.seconds = time.monotonic() - began
            if told is not None:
                told(report)
    finally:
        if bar is not None:
            bar.stop()
