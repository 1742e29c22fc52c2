"""Which connection serves which request: idle ones, limits, waiters.

The law: open = idle + busy + dialing, never above the limits; nobody waits beside an idle connection of their origin;
whoever has waited longest is served first. Decisions are plain functions; only dialing and waiting await.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from headrace._core.messages import Connections, Wait
from headrace._core.request import proof
from headrace._io import idle, reasons, threads
from headrace._io.closing import CLOSED, Closing, wait_then_abort
from headrace._io.wire.dialing import DirectDialer
from headrace._io.wire.encrypted import Maker
from headrace._io.wire.lanes import Lane, first
from headrace._io.wire.waiting import waited
from headrace.errors import ConnectError, TransportError

if TYPE_CHECKING:
    import ssl

    from yarl import URL

    from headrace._core.messages import Request
    from headrace._core.stats import Stats
    from headrace._io.wire.connection import Connection
    from headrace._io.wire.dialing import Dialer
    from headrace.config import PoolLimits

_CLOSE_SECONDS = 1.0  # how long `close` waits for peers to end their TLS in good order


class Pool:
    """Lends connections to exchanges.

    Args:
        loop: The loop that the connections live on.
        limits: How many there may be, and how long idle ones are kept.
        proxy: An HTTP proxy for every connection.
        tls: An `ssl.SSLContext`, or whether to verify.
        stats: Where connections and bytes are counted.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: PoolLimits,
        proxy: URL | None,
        tls: ssl.SSLContext | bool,  # noqa: FBT001
        stats: Stats,
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._keepalive = limits.keepalive
        self._tls = tls
        self._proxy = proxy
        self._dialer: Dialer | None = None if proxy is not None else DirectDialer(loop, tls)
        self._stats = stats
        self._lanes: dict[str, Lane] = {}
        self._open = 0
        self._arrivals = 0
        self._granted: set[Connection | None] = set()  # not yet used: if one ends, its slot stays with its waiter
        self._sockets: set[Connection] = set()  # gone from the lanes, they stay here until their sockets are closed
        self._dials = Closing()
        self._drained: asyncio.Future[None] | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self._make = Maker(loop)

    def take(self, key: str) -> Connection | None:
        """Take an idle connection of an origin, the last used first; `None` where there is none."""
        lane = self._lanes.get(key)
        if lane is None:
            return None
        while lane.idle:
            connection = lane.idle.popitem()[0]
            if self._loop.time() <= connection.idle_until:
                self._stats.connections_reused += 1
                return connection
            connection.close(ConnectError(CLOSED))
        return None

    def put_back(self, connection: Connection) -> None:
        """Put a connection back that was taken in this very step, or kept, as though it had not been."""
        self.note_unused(connection)
        if connection.is_kept:
            connection.release()
            return
        self._lanes[connection.key].idle[connection] = None

    def is_waited_for(self) -> bool:
        """Tell whether somebody waits for a connection, of whatever origin."""
        return any(lane.waiters for lane in self._lanes.values())

    def room(self, key: str) -> float | None:
        """Tell how many connections to an origin may be opened, those of others that lie idle giving way.

        It is infinity where origins have limits of their own, and `None` where one of this origin lies idle.
        """
        own = self._lanes.get(key)
        if own is not None and own.idle:
            return None
        if self._limits.max_per_origin is not None:
            return math.inf
        return self._limits.max_connections - self._open + sum(len(lane.idle) for lane in self._lanes.values())

    async def acquire(self, request: Request) -> Connection:
        """Dial a connection, or wait for one where the limits are reached.

        Raises:
            headrace.errors.PoolTimeout: None became free within `Timeout.pool`.
            headrace.errors.RequestTimeout: It was not made within `Timeout.connect`.
            headrace.errors.ConnectError: It could not be made.
            headrace.errors.ValidationError: The origin is none that a proxy could be asked for.
        """
        proof.origin(request.origin)
        key = request.origin.text
        if self._may_open(key):
            self._reserve(key)
            return await self._open_one(request)
        waiter = self._queue_up(key)
        try:
            connection = await waited(waiter, request)
        except BaseException:
            self._leave(waiter, key)
            raise
        self._granted.discard(connection)
        if connection is None or connection.gone:
            return await self._open_one(request)
        self._stats.connections_reused += 1
        return connection

    async def settle(self, connection: Connection, request: Request) -> Connection:
        """Wait a step with what was acquired: the answer that has freed it is heard. Where it has ended, dial anew."""
        self._granted.add(connection)
        try:
            await asyncio.sleep(0)
        except BaseException:
            self.give(connection, connection.key)
            raise
        if connection.gone and connection.is_new:
            self.give(connection, connection.key)
            raise idle.refusal(connection.key, ended=connection.has_ended)
        self._granted.discard(connection)
        return await self._open_one(request) if connection.gone else connection

    async def replace(self, connection: Connection, request: Request) -> Connection:
        """Retire a connection that was taken, and have an idle one instead, or dial anew: its place is not lost."""
        self.note_unused(connection)
        other = self.take(connection.key)
        if other is None:
            self._granted.add(connection)
        connection.abort()
        self._granted.discard(connection)
        return other or await self._open_one(request)

    def note_unused(self, connection: Connection) -> None:
        """Note that a connection that was lent once more has served no request."""
        self._stats.connections_reused -= not connection.is_new

    def give(self, granted: Connection | None, key: str) -> None:
        """Take back what is not used: a connection, or the right to open one (`None`)."""
        self._granted.discard(granted)
        if granted is None or granted.gone:
            self._give_back(key)
        else:
            self._free(granted)

    async def _open_one(self, request: Request) -> Connection:
        """Dial a connection whose slot is already counted."""
        began = self._loop.time()
        try:
            return await self._dial(request)
        except BaseException:
            self._give_back(request.origin.text)
            raise
        finally:
            request.delivery.spend(Wait.CONNECTING, self._loop.time() - began)

    def _may_open(self, key: str) -> bool:
        """Tell whether the limits leave room, closing an idle connection to make some.

        Another origin's goes first. Our own are idle here only after a fellow of theirs was found dead.
        """
        if self._closed:
            raise ConnectError(CLOSED, maybe_sent=False)
        own = self._lane(key)
        crowded = not self._below_limit(own)
        if crowded or self._open >= self._limits.max_connections:
            others = [] if crowded else [lane for lane in self._lanes.values() if lane is not own]
            oldest = next((next(iter(lane.idle)) for lane in (*others, own) if lane.idle), None)
            if oldest is None:
                return False
            oldest.close(ConnectError(CLOSED))
        return self._below_limit(self._lane(key)) and self._open < self._limits.max_connections

    def _reserve(self, key: str) -> None:
        self._lane(key).open += 1
        self._open += 1

    def _lane(self, key: str) -> Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        return lane

    def _give_back(self, key: str) -> None:
        """Free the slot of a connection that is gone and hand it to whoever has waited longest and may open one."""
        lane = self._lanes.get(key)
        if lane is None:  # they were let go
            return
        lane.open -= 1
        self._open -= 1
        while (heir := self._next_to_open()) is not None:
            waiter, _ = heir.waiters.popitem(last=False)
            if not waiter.done():
                self._reserve(heir.key)
                waiter.set_result(None)
                break
        if not lane.open and not lane.waiters:
            self._lanes.pop(key, None)

    def _next_to_open(self) -> Lane | None:
        """Find the lane that may open a connection and whose first waiter came first; a step for each lane."""
        if self._open >= self._limits.max_connections:
            return None
        return min(
            (lane for lane in self._lanes.values() if lane.waiters and self._below_limit(lane)),
            key=first,
            default=None,
        )

    def _below_limit(self, lane: Lane) -> bool:
        return self._limits.max_per_origin is None or lane.open < self._limits.max_per_origin

    def _queue_up(self, key: str) -> asyncio.Future[Connection | None]:
        """Wait for a connection of the origin, or for the right to open one (`None`)."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._arrivals += 1
        self._lane(key).waiters[waiter] = self._arrivals
        return waiter

    def _leave(self, waiter: asyncio.Future[Connection | None], key: str) -> None:
        """Give up waiting, and pass on what was granted meanwhile."""
        lane = self._lane(key)
        lane.waiters.pop(waiter, None)
        if not lane.open and not lane.waiters:
            self._lanes.pop(key, None)
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            self.give(waiter.result(), key)

    def _free(self, connection: Connection) -> None:
        """Take a connection back after an exchange: for the first waiter of its origin, or to lie idle."""
        lane = self._lanes[connection.key]
        connection.is_new = False
        if self._closed or (len(self._lanes) > 1 and self._owes_its_slot(lane)):
            connection.close(ConnectError(CLOSED))
            return
        while lane.waiters:
            waiter, _ = lane.waiters.popitem(last=False)
            if not waiter.done():
                self._granted.add(connection)
                waiter.set_result(connection)
                return
        connection.idle_until = self._loop.time() + self._keepalive
        lane.idle[connection] = None
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._limits.keepalive, self._sweep)

    def _owes_its_slot(self, lane: Lane) -> bool:
        """Tell whether a connection of this lane has to make room for another origin that waits.

        It does where nobody waits here, or where that origin has waited longer and has no connection at all: without
        this, an origin that is always busy would keep every connection for ever.
        """
        if self._open < self._limits.max_connections:
            return False
        while lane.waiters and next(iter(lane.waiters)).done():  # cancelled in this very step: it waits no more
            lane.waiters.popitem(last=False)
        others = [
            other for other in self._lanes.values() if other.waiters and other is not lane and self._below_limit(other)
        ]
        if not lane.waiters:
            return bool(others)
        return any(not other.open and first(other) < first(lane) for other in others)

    def _gone(self, connection: Connection) -> None:
        """Forget a connection that will never serve again."""
        if connection not in self._granted:
            self._lanes[connection.key].idle.pop(connection, None)
            self._give_back(connection.key)

    def _lost(self, connection: Connection) -> None:
        self._sockets.discard(connection)
        if self._drained is not None and not self._sockets and not self._drained.done():
            self._drained.set_result(None)

    def _sweep(self) -> None:
        """Close the connections that have lain idle too long; one timer for all of them."""
        self._sweeper = None
        now = self._loop.time()
        first = math.inf
        for lane in list(self._lanes.values()):
            for connection in list(lane.idle):
                if now >= connection.idle_until:
                    connection.close(ConnectError(CLOSED))
                else:
                    first = min(first, connection.idle_until)
                    break
        if first < math.inf:
            self._sweeper = self._loop.call_at(first, self._sweep)

    async def _dial(self, request: Request) -> Connection:
        if self._closed:
            raise ConnectError(CLOSED, maybe_sent=False)
        origin = request.origin.text
        told = (self._free, self._gone, self._lost, self._stats)
        connection = self._make(origin, *told, encrypted=request.origin.scheme == "https")
        self._granted.add(connection)
        task = self._dials.begin()
        try:
            async with asyncio.timeout(request.timeout.connect):
                await (self._dialer or await self._proxy_dialer()).dial(request, connection)
        except BaseException as error:
            connection.abort()
            if isinstance(error, asyncio.CancelledError) and self._dials.is_mine(task):
                raise ConnectError(CLOSED, maybe_sent=False) from None
            if isinstance(error, TimeoutError) and not isinstance(error, TransportError):
                raise reasons.slow(origin, request.timeout.connect) from error
            raise
        finally:
            self._granted.discard(connection)
            self._dials.end(task)
        self._sockets.add(connection)
        self._stats.connections_opened += 1
        return connection

    async def _proxy_dialer(self) -> Dialer:
        """Make what dials through the proxy when it is first needed: only that needs aiohttp."""
        module = await threads.load("headrace._io.wire.proxied")
        dialer: Dialer = self._dialer or module.ProxyDialer(self._loop, self._proxy, self._tls)
        self._dialer = dialer
        return dialer

    async def close(self) -> None:
        """Close every connection; whatever waits or is under way fails at once. May be called more than once."""
        if self._closed:
            return
        self._closed = True
        if self._loop.is_closed():  # its sockets can only be let go
            for connection in self._sockets:
                connection.gone = True  # whoever is collected with a request under way has nothing to give back
            self._lanes.clear()
            self._sockets.clear()
            self._open = 0
            await self._close_dialer()
            return
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in list(self._lanes.values()):
            while lane.waiters:
                waiter, _ = lane.waiters.popitem(last=False)
                if not waiter.done():
                    waiter.set_exception(ConnectError(CLOSED, maybe_sent=False))
        self._dials.close()
        for connection in list(self._sockets):
            connection.close(TransportError(CLOSED))
        if self._sockets:
            self._drained = self._loop.create_future()
            await wait_then_abort(self._drained, _CLOSE_SECONDS, self._sockets)
        await self._close_dialer()

    async def _close_dialer(self) -> None:
        if self._dialer is not None:
            await self._dialer.close()

    @property
    def connections(self) -> Connections:
        """How many connections there are now, and how many requests wait for one."""
        lanes = self._lanes.values()
        return Connections(self._open, sum(len(lane.idle) for lane in lanes), sum(len(lane.waiters) for lane in lanes))

    def __repr__(self) -> str:
        lanes = ", ".join(
            f"{key}: {lane.open} open, {len(lane.idle)} idle, {len(lane.waiters)} waiting"
            for key, lane in self._lanes.items()
        )
        return f"<Pool {self._open}/{self._limits.max_connections}{' closed' if self._closed else ''} [{lanes}]>"
