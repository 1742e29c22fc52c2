"""A credential, the ways in which a request takes it along, and the redirects that may not."""

from typing import Any

from headrace.auth import APIKey

CANARY = "canary-1f7d"
#: What a client, or its call, goes with.
KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Authorization": ({}, {"headers": {"Authorization": f"Basic {CANARY}"}}),
    "bearer_token": ({"bearer_token": CANARY}, {}),
    "Auth of a field": ({"auth": APIKey(CANARY, header="X-Own-Name")}, {}),
    "Auth of the query": ({"auth": APIKey(CANARY, query="own")}, {}),
    "X-Api-Key": ({"headers": {"X-Api-Key": CANARY}}, {}),
    "Cookie": ({}, {"headers": {"Cookie": f"sid={CANARY}"}}),
    "cookies of the client": ({"cookies": {"sid": CANARY}}, {}),
    "cookies of the call": ({}, {"cookies": {"sid": CANARY}}),
    "Proxy-Authorization": ({"headers": {"Proxy-Authorization": CANARY}}, {}),
}
STATUSES = [301, 302, 303, 307, 308]
#: Fields that are never sent a second time, not even to the same origin: cookies are chosen anew for each hop.
CHOSEN_ANEW = {"Cookie"}
