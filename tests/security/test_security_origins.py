"""Credentials stay with their origin over real sockets too: by port, by name, by address and by scheme."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from headrace import AsyncClient
from headrace.auth import BearerAuth
from tests.kit.credentials import CANARY, CHOSEN_ANEW, STATUSES
from tests.kit.credentials import KINDS as MADE_UP
from tests.servers.ledger import Entry, leading, ledger_server
from tests.servers.process import HOST
from tests.servers.tls import TlsMaterial

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **MADE_UP,
    "Auth of a function": ({"auth": BearerAuth(lambda: CANARY)}, {}),
    "userinfo": ({}, {}),
}
#: Where redirects lead: the places after the home of the client, and whether credentials go along.
PLACES: dict[str, tuple[list[str], bool]] = {
    "same origin": (["home"], True),
    "another port": (["other"], False),
    "another name": (["name"], False),
    "IPv6": (["ipv6"], False),
    "another scheme": (["scheme"], False),
    "there and back": (["other", "home"], False),
    "twice at home": (["home", "home"], True),
}


async def origins(stack: AsyncExitStack, entries: list[Entry], tls: TlsMaterial, scheme: str) -> dict[str, str]:
    """Start the servers, and name their origins; the name `localhost` leads to the very server that is home."""
    secure, plain = tls.server_context(), None
    own, opposite = (secure, plain) if scheme == "https" else (plain, secure)
    ports = [await stack.enter_async_context(ledger_server(entries, ssl=ssl)) for ssl in (own, own, opposite)]
    turned = "http" if scheme == "https" else "https"
    found = {
        "home": f"{scheme}://{HOST}:{ports[0]}",
        "other": f"{scheme}://{HOST}:{ports[1]}",
        "name": f"{scheme}://localhost:{ports[0]}",
        "scheme": f"{turned}://{HOST}:{ports[2]}",
    }
    try:
        port = await stack.enter_async_context(ledger_server(entries, "::1", own))
    except OSError:
        return found
    return {**found, "ipv6": f"{scheme}://[::1]:{port}"}


def way(home: str, hops: list[str], status: int) -> str:
    """Write the path of a request that servers send from hop to hop."""
    url = hops[-1]
    for hop in reversed([f"{home}/first", *hops[:-1]]):
        url = leading(hop, status, url)
    return url.removeprefix(home)


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.hazard(35, 36, 43)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("place", PLACES)
async def test_no_socket_carries_a_credential_away(
    servers: AsyncExitStack, tls: TlsMaterial, transport: str, place: str, scheme: str
) -> None:
    """What each server has really received is what its origin may know: of every kind, behind every redirect."""
    names, same = PLACES[place]
    entries: list[Entry] = []
    sites = await origins(servers, entries, tls, scheme)
    if not sites.keys() >= set(names):
        pytest.skip("this machine has no IPv6 loopback")
    hops = [f"{sites[name]}/hop{number}" for number, name in enumerate(names)]
    found = []
    for kind, (settings, call) in KINDS.items():
        base = sites["home"].replace("://", f"://me:{CANARY}@") if kind == "userinfo" else sites["home"]
        secret = "bWU6Y2FuYXJ5" if kind == "userinfo" else CANARY  # "me:canary" in Base64
        goes = same and kind not in CHOSEN_ANEW
        async with AsyncClient(base, transport=transport, tls=tls.trusting, **settings) as client:
            for status in STATUSES:
                del entries[:]
                assert await client.get(way(sites["home"], hops, status), **call) == {}
                assert [entry.url for entry in entries] == [f"{sites['home']}/first", *hops]
                seen = [secret in entry.fields for entry in entries]
                if seen != [True, *[goes] * len(hops)]:
                    found.append((kind, status, seen))
    assert found == []
