"""The server of the crossing test in a process of its own, so that what is measured is the client alone."""

from tests.crossing.ledger import Ledger
from tests.crossing.server import Server
from tests.servers.child import serve

NUMBERS = 1 << 14
"""How many requests have names of their own; then the names come again, so that the server's book never grows."""
SEED = 1


def start() -> str:
    """Listen."""
    server = Server(ledger)
    server.start()
    return server.urls[0]


def tell() -> str:
    """Say what was wrong with the requests."""
    return "\n".join(ledger.mixed[:20])


if __name__ == "__main__":
    ledger = Ledger(NUMBERS, SEED)
    serve(start, tell)
