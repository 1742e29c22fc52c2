"""The layers between a client and its transport: every one is `Send -> Send`, and `LAYERS` is their order.

A layer that is off is not there: what is answered at once with a success meets none but the limiter, if there is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from headrace._core.messages import Request, Response
from headrace._io.flow.admission import Admission
from headrace._io.flow.attempts import Marked, Timed
from headrace._io.flow.retrying import Retrying
from headrace.types import CountingTransport, MarkingTransport

if TYPE_CHECKING:
    from headrace._core.messages import Origin
    from headrace._core.stats import Stats
    from headrace._io.closing import Closing
    from headrace._io.deadline import Deadlines
    from headrace._io.flow.circuits import Circuits
    from headrace._io.flow.pacing import Pacer
    from headrace.policies import Retry
    from headrace.types import Limiter, Transport

Send = Callable[[Request], Awaitable[Response]]


class Parts(NamedTuple):
    """What the layers are made of.

    Attributes:
        transport: Where attempts go.
        limiter: What admits them, or `None`.
        retry: When they are repeated, or `None`.
        circuits: Which origins are not asked at all, or `None`.
        home: The client's own origin.
        stats: Where to count.
        deadlines: What bounds the time of requests.
        closing: Ends what waits when the client is closed.
        made: The layers that a lane asks itself where a request goes past them, by their class.
        pacer: What says when attempts start, and hears of them, or `None`.
    """

    transport: Transport
    limiter: Limiter | None
    retry: Retry | None
    circuits: Circuits | None
    home: Origin
    stats: Stats
    deadlines: Deadlines
    closing: Closing
    made: dict[type, Any]
    pacer: Pacer | None = None


def _marking(parts: Parts, send: Send) -> Send:
    transport = parts.transport
    return send if isinstance(transport, MarkingTransport) and transport.marks_sent else Marked(send).send


def _measuring(parts: Parts, send: Send) -> Send:
    return send if parts.pacer is None else parts.pacer.measuring(send)


def _timing(parts: Parts, send: Send) -> Send:
    if parts.retry is None or parts.retry.attempt_timeout is None:
        return send
    return Timed(
        send, parts.retry.attempt_timeout, parts.deadlines, "no answer within {:g} s{} (Retry.attempt_timeout)"
    ).send


def _breaking(parts: Parts, send: Send) -> Send:
    return send if parts.circuits is None else parts.circuits.around(send)


def _admitting(parts: Parts, send: Send) -> Send:
    if parts.limiter is None:
        return send
    transport = parts.transport
    counts = isinstance(transport, CountingTransport) and transport.counts_starts
    layer = Admission(parts.limiter, parts.home, send, parts.closing, parts.stats, counts_starts=counts)
    parts.made[Admission] = layer
    return layer.send


def _pacing(parts: Parts, send: Send) -> Send:
    return send if parts.pacer is None else parts.pacer.pacing(send)


def _checking(parts: Parts, send: Send) -> Send:
    return send if parts.circuits is None else parts.circuits.ahead_of(send)


def _retrying(parts: Parts, send: Send) -> Send:
    if parts.retry is None:
        return send
    layer = parts.made[Retrying] = Retrying(parts.retry, send, parts.circuits, parts.stats, parts.closing)
    return layer.send


def _bounding(parts: Parts, send: Send) -> Send:
    if parts.retry is None or parts.retry.deadline is None:
        return send
    says = "did not succeed within {:g} s, retries included{} (Retry.deadline)"
    return Timed(send, parts.retry.deadline, parts.deadlines, says).send


#: From the transport to the client. A cache has its seat before `_checking`: what it knows asks for no start. Hooks are
#: told of attempts before `_timing`, and of requests by the pipeline.
LAYERS: Final[tuple[Callable[[Parts, Send], Send], ...]] = (
    _marking,  # notes that a request may have been sent, for a transport that does not
    _measuring,  # tells a width that adapts itself how long attempts take
    _timing,  # bounds one attempt
    _breaking,  # keeps the circuit of each origin
    _admitting,  # waits for the limiter
    _pacing,  # waits for the rate that goes with such a width
    _checking,  # refuses before anything waits where the circuit is open
    _retrying,  # sends again
    _bounding,  # bounds all attempts together
)


def chain(parts: Parts) -> Send:
    """Put the layers around a transport, in their order.

    What an answer still asks for is no layer: `Settling` is asked by the pipeline, which looks at the status anyhow. As
    a layer it was one more coroutine for every request, 1.5 % of all that it costs.
    """
    send: Send = parts.transport.send
    for layer in LAYERS:
        send = layer(parts, send)
    return send
