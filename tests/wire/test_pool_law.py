"""The law of the pool, held after every step of whatever may happen: open = idle + busy + dialing, limits, turns.

The pool, its connections and the exchange are the real ones; the sockets are made up, and so is the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
from socket import SHUT_WR, socketpair
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from yarl import URL

from headrace import PoolLimits, Timeout, WireTransport
from headrace._core.messages import HeaderBlock, Origin, Request
from headrace.errors import ConnectError, TransportError
from tests.kit.virtual import VirtualLoop, until

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIGINS = [Origin(URL(f"http://{name}.test")) for name in ("a", "b", "c")]
KEEPALIVE = 15
PATIENCE = 5
_STEPS = 12  # more than anything needs that does not wait for the outside
NUMBERS = st.integers(0, 20)
END, CUT = "the server's end", "a loss"
BEHIND = [b"", b"", b"", b"junk", END, CUT]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%s\r\nok"


class Socket:
    """A transport of asyncio's without a network below it; of its real socket, only what lies there unread is used."""

    def __init__(self, world: World, origin: str) -> None:
        self.ours, self.theirs = socketpair()
        self.world = world
        self.origin = origin
        self.protocol: Any = None
        self.task: asyncio.Task[Any] | None = None
        """Whose request was written last and has not been answered."""
        self.closing = False
        world.sockets.append(self)

    def set_protocol(self, protocol: Any) -> None:
        """Have one of our own, which hears of what comes."""
        self.protocol = protocol

    def write(self, data: bytes) -> None:
        """Take a request; where the server has ended the connection in this very step, nobody reads it."""
        assert data.startswith(b"GET ")
        assert self.task is None, "a request was written before the one before it had ended"
        assert not select.select([self.ours], [], [], 0)[0], "a request was written where something lay before it"
        self.task = asyncio.current_task()
        self.world.written.append(self.task)

    def is_closing(self) -> bool:
        """Tell."""
        return self.closing

    def get_extra_info(self, name: str) -> Any:
        """Have a socket, and no TLS."""
        return self.ours if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Have written everything."""
        return 0

    def close(self) -> None:
        """End."""
        self.abort()

    def abort(self) -> None:
        """End; the protocol hears of it a step later, as with asyncio."""
        if not self.closing:
            self.closing = True
            self.world.sockets.remove(self)
            self.theirs.close()
            self.world.loop.call_soon(self._lose)

    def _lose(self) -> None:
        self.protocol.connection_lost(None)
        self.ours.close()

    def hear(self, data: bytes) -> None:
        """Let bytes arrive."""
        self.task = None
        self.protocol.data_received(data)


class World:
    """What is outside of the pool."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.sockets: list[Socket] = []
        self.written: list[asyncio.Task[Any] | None] = []
        """Whose requests were sent in this step; one that comes to wait again comes anew."""
        self.dials: dict[asyncio.Task[Any], asyncio.Future[bool]] = {}

    async def dial(self, request: Request, connection: Any) -> None:
        """Dial, when the test says so."""
        task = asyncio.current_task()
        assert task is not None
        self.dials[task] = answered = self.loop.create_future()
        try:
            if not await answered:
                raise ConnectError("nobody there", maybe_sent=False)
        finally:
            del self.dials[task]
        made = Socket(self, request.origin.text)
        made.set_protocol(connection)
        connection.connection_made(made)

    async def close(self) -> None:
        """End."""


def _pick(among: Sequence[Any], number: int) -> Any:
    """Choose one of several."""
    return among[number % len(among)]


class PoolLaw(RuleBasedStateMachine):
    """Everything that callers and servers do to a pool, and what has to hold all the while."""

    @initialize(most=st.integers(1, 4), each=st.sampled_from([None, 1, 2]))
    def begin(self, most: int, each: int | None) -> None:
        """Make a pool."""
        self.loop = VirtualLoop()
        self.world = World(self.loop)
        self.most, self.each = most, each
        self.unheard: list[Any] = []
        self.loop.set_exception_handler(lambda _, context: self.unheard.append(context))
        self.tasks: dict[asyncio.Task[Any], str] = {}
        """Requests that have not ended, and their origins, in the order in which they were made."""
        self.impatient: set[asyncio.Task[Any]] = set()
        """Those that do not wait for a connection for longer than `PATIENCE`."""
        self.since: dict[asyncio.Task[Any], float] = {}
        """When those that wait have begun to."""
        self.queues: dict[str, list[asyncio.Task[Any]]] = {origin.text: [] for origin in ORIGINS}

        async def make() -> WireTransport:
            wire = WireTransport(PoolLimits(most, each, KEEPALIVE))
            wire._pool._dialer = self.world  # made-up sockets
            return wire

        self.wire = self.loop.run_until_complete(make())

    def tasks_now(self) -> list[asyncio.Task[Any]]:
        """List the requests that are under way."""
        return list(self.tasks)

    def busy(self) -> list[Socket]:
        """List the connections that owe an answer."""
        return [socket for socket in self.world.sockets if socket.task]

    def at_rest(self) -> list[Socket]:
        """List the others."""
        return [socket for socket in self.world.sockets if not socket.task]

    def settle(self) -> None:
        """Let everything happen that does not wait for the outside, and keep the book of who waits."""

        async def steps() -> None:
            for _ in range(_STEPS):
                await asyncio.sleep(0)

        self.loop.run_until_complete(steps())
        for task in [task for task in self.tasks if task.done()]:
            del self.tasks[task]
            if not task.cancelled():
                assert isinstance(task.exception(), TransportError | None)
        sent, self.world.written = set(self.world.written), []
        served = {socket.task for socket in self.world.sockets} | self.world.dials.keys()
        for name, queue in self.queues.items():
            waiting = {task for task, origin in self.tasks.items() if origin == name and task not in served}
            still = [task for task in queue if task in waiting and task not in sent]
            for task in queue:
                if task in served | sent and task in self.tasks:
                    assert task not in still
                    overtaken = [other for other in still if queue.index(other) < queue.index(task)]
                    assert not overtaken, "somebody was served who came later"
            new = [task for task in self.tasks if task in waiting and task not in still]
            self.queues[name] = still + new
            self.since |= dict.fromkeys(new, self.loop.time())
        waiting = {task for queue in self.queues.values() for task in queue}
        self.since = {task: began for task, began in self.since.items() if task in waiting}
        self.impatient &= self.tasks.keys()

    # What callers do.

    @rule(
        origins=st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=6),
        patient=st.booleans(),
        repeatable=st.booleans(),
        dialed=st.booleans(),
    )
    def ask(self, origins: list[Origin], *, patient: bool, repeatable: bool, dialed: bool) -> None:
        """Send requests, and accept the connections that they make, or leave that for later."""
        for origin in origins:
            limits = Timeout(total=None, connect=None, pool=None if patient else PATIENCE)
            request = Request("GET", origin, "/", HeaderBlock(()), timeout=limits, idempotent=repeatable)
            task = self.loop.create_task(self.wire.send(request))
            self.tasks[task] = origin.text
            if not patient:
                self.impatient.add(task)
            self.settle()
        for dial in list(self.world.dials.values()) if dialed else ():
            dial.set_result(True)
        self.settle()

    @precondition(lambda self: bool(self.tasks))
    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        """Cancel a request, whatever it does."""
        task = _pick(self.tasks_now(), number)
        task.cancel()
        self.settle()
        assert task.cancelled()

    @rule(seconds=st.sampled_from([1, PATIENCE, KEEPALIVE]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.loop.run_until_complete(until(self.loop, self.loop.time() + seconds))
        self.settle()
        late = [task for task in self.since.keys() & self.impatient if self.since[task] + PATIENCE < self.loop.time()]
        assert not late

    # What servers do.

    @precondition(lambda self: bool(self.world.dials))
    @rule(number=NUMBERS, well=st.booleans())
    def answer_dial(self, number: int, *, well: bool) -> None:
        """Accept a connection, or refuse it."""
        _pick(list(self.world.dials.values()), number).set_result(well)
        self.settle()

    @precondition(lambda self: bool(self.busy()))
    @rule(number=NUMBERS, fields=st.sampled_from([b"", b"", b"Connection: close\r\n"]), behind=st.sampled_from(BEHIND))
    def answer(self, number: int, fields: bytes, behind: bytes | str) -> None:
        """Answer a request; then perhaps end the connection in the same step, or say more than was asked."""
        socket = _pick(self.busy(), number)
        socket.hear(WHOLE % fields + (behind if isinstance(behind, bytes) else b""))
        if behind == END:
            socket.protocol.eof_received()
        elif behind == CUT:
            socket.abort()
        self.settle()

    @precondition(lambda self: bool(self.busy()))
    @rule(numbers=st.lists(NUMBERS, max_size=4), cancelled=st.lists(NUMBERS, max_size=4), ended=st.booleans())
    def answer_and_cancel(self, numbers: list[int], cancelled: list[int], *, ended: bool) -> None:
        """Answer some requests, perhaps for the last time, in the step in which some, others or not, are cancelled."""
        for number in numbers:
            if self.busy():
                socket = _pick(self.busy(), number)
                socket.hear(WHOLE % b"")
                if ended:
                    socket.protocol.eof_received()
        for number in cancelled:
            _pick(self.tasks_now(), number).cancel()
        self.settle()

    @precondition(lambda self: bool(self.world.sockets))
    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=3))
    def end(self, numbers: list[int]) -> None:
        """End connections, idle or busy."""
        for number in numbers:
            if self.world.sockets:
                _pick(self.world.sockets, number).abort()
        self.settle()

    @precondition(lambda self: bool(self.at_rest()))
    @rule(number=NUMBERS)
    def poison(self, number: int) -> None:
        """Say something on an idle connection, which retires it."""
        socket = _pick(self.at_rest(), number)
        socket.hear(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        self.settle()
        assert socket not in self.world.sockets

    @precondition(lambda self: bool(self.at_rest()))
    @rule(number=NUMBERS, ended=st.booleans())
    def poison_unheard(self, number: int, *, ended: bool) -> None:
        """Say something on an idle connection, or end it, and let no loop come to read that."""
        peer = _pick(self.at_rest(), number).theirs
        if ended:
            peer.shutdown(SHUT_WR)
        else:
            with contextlib.suppress(BrokenPipeError):  # it was ended before
                peer.send(b"x")

    # What has to hold.

    @precondition(lambda self: hasattr(self, "wire"))
    @invariant()
    def the_law_holds(self) -> None:
        """Read the pool's own account of itself, and compare it with what is there."""
        shown = repr(self.wire)
        lanes = {
            name: tuple(map(int, numbers))
            for name, *numbers in re.findall(r"(http://\w\.test): (\d+) open, (\d+) idle, (\d+) waiting", shown)
        }
        total = sum(opened for opened, _, _ in lanes.values())
        assert f"<Pool {total}/{self.most} [" in shown
        assert total <= self.most
        for origin in ORIGINS:
            opened, idle, waiting = lanes.get(origin.text, (0, 0, 0))
            busy = [socket for socket in self.busy() if socket.origin == origin.text]
            at_rest = [socket for socket in self.at_rest() if socket.origin == origin.text]
            dialing = [task for task in self.world.dials if self.tasks[task] == origin.text]
            assert (idle, opened) == (len(at_rest), idle + len(busy) + len(dialing)), shown
            assert waiting == len(self.queues[origin.text]), shown
            assert self.each is None or opened <= self.each
            if waiting:
                assert not idle, shown
                assert total == self.most or opened == self.each, f"{shown} and nobody is let in"
                assert opened == self.each or not any(idle for _, idle, _ in lanes.values()), shown
        assert not self.unheard

    def teardown(self) -> None:
        """Close the pool: whatever is under way fails at once, and nothing is left."""
        if not hasattr(self, "wire"):
            return
        self.loop.run_until_complete(self.wire.close())
        self.settle()
        assert not self.tasks
        assert not self.world.sockets
        assert repr(self.wire) == f"<WireTransport <Pool 0/{self.most} closed []>>"
        assert not self.unheard
        self.loop.close()


LONG = bool(os.environ.get("HEADRACE_LONG"))
TestPoolLaw = PoolLaw.TestCase
TestPoolLaw.settings = settings(max_examples=5000 if LONG else 80, stateful_step_count=100 if LONG else 30)
TestPoolLaw = pytest.mark.timeout(7200 if LONG else 300)(pytest.mark.hazard(22, 46, 48, 51)(TestPoolLaw))


@pytest.mark.hazard(51)
def test_waiters_that_leave_keep_no_connection_from_another_origin() -> None:
    """A connection that becomes free in the step in which all waiters of its origin are cancelled makes room."""
    law = PoolLaw()
    law.begin(1, None)
    here, there = ORIGINS[:2]
    law.ask([here, here, here, there], patient=True, repeatable=False, dialed=True)
    law.answer_and_cancel([0], [1, 2], ended=False)
    law.the_law_holds()
    assert len(law.world.dials) == 1
    law.teardown()


@pytest.mark.hazard(51, 62)
def test_whoever_is_given_a_connection_that_has_ended_keeps_its_place() -> None:
    """A connection that ends in the step in which it is handed on is replaced for the one who was given it."""
    law = PoolLaw()
    law.begin(1, None)
    here = ORIGINS[0]
    law.ask([here, here, here], patient=True, repeatable=False, dialed=True)
    first, second, _ = law.tasks_now()
    law.answer(0, b"", CUT)
    law.the_law_holds()
    assert first.done()
    assert list(law.world.dials) == [second]
    law.teardown()
