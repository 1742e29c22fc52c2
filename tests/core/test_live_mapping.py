"""The headers, cookies and parameters of a client are dicts that tell of their changes and show no secret."""

import json
import pickle
from collections.abc import Callable, MutableMapping
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import AsyncClient
from headrace._core.request.live_mapping import LiveMapping


def _client() -> AsyncClient:
    return AsyncClient(
        "https://a.example",
        headers={"X-Plain": "seen", "X-Api-Key": "hdr-secret"},
        cookies={"theme": "c00kie-secret"},
        parameters={"lang": "en", "apiKey": "query-secret"},
        error_responses={404: dict},
    )


@pytest.mark.parametrize("name", ["headers", "cookies", "parameters", "error_responses"])
def test_a_live_mapping_is_a_dict(name: str) -> None:
    """It is one to `isinstance`, to both unions, to unpacking and to a comparison."""
    mapping = getattr(_client(), name)
    plain = dict(mapping)
    key = next(iter(plain))
    assert isinstance(mapping, dict)
    assert isinstance(mapping, MutableMapping)
    assert mapping == plain
    assert type(mapping | {"new": 1}) is dict
    assert mapping | {key: "over"} == plain | {key: "over"}
    assert {key: "under", "new": 1} | mapping == {key: "under", "new": 1} | plain
    assert {**mapping} == plain
    assert type(mapping.copy()) is dict


@pytest.mark.parametrize(
    "write",
    [lambda m: json.dumps(m).encode(), orjson.dumps, msgspec.json.encode],
    ids=["json", "orjson", "msgspec"],
)
def test_a_live_mapping_is_json(write: Callable[[Any], bytes]) -> None:
    """Every encoder writes what is in it, after changes too."""
    headers = _client().headers
    headers["x-plain"] = "other"
    del headers["X-API-KEY"]
    assert json.loads(write(headers)) == {"x-plain": "other"}


def test_secrets_are_shown_on_request_only() -> None:
    """Neither `repr`, `str` nor rich's own `repr` has one; the plain copy has."""
    client = _client()
    for mapping in (client.headers, client.cookies, client.parameters):
        told = f"{mapping!r} {mapping} {list(mapping.__rich_repr__())} {pickle.loads(pickle.dumps(mapping))!r}"
        assert "secret" not in told
        assert "secret" in f"{dict(mapping)}"
    assert "seen" in repr(client.headers)


_KEYS = st.sampled_from(["Accept", "accept", "ACCEPT", "X-A", "x-a", "Via"])
_STEPS = st.one_of(
    st.tuples(st.just("set"), _KEYS, st.integers()),
    st.tuples(st.just("update"), _KEYS, st.integers()),
    st.tuples(st.just("ior"), _KEYS, st.integers()),
    st.tuples(st.just("setdefault"), _KEYS, st.integers()),
    st.tuples(st.just("del"), _KEYS, st.none()),
    st.tuples(st.just("pop"), _KEYS, st.none()),
    st.tuples(st.just("popitem"), st.none(), st.none()),
    st.tuples(st.just("clear"), st.none(), st.none()),
)


def _step(target: Any, name: str, key: Any, value: Any) -> Any:
    """Change a mapping; a key that is not there is told of in the same way by every mapping."""
    try:
        match name:
            case "set":
                target[key] = value
            case "ior":
                target |= {key: value}
            case "update":
                target.update({key: value})
            case "del":
                del target[key]
            case "popitem":
                return target.popitem()[1]
            case "clear":
                target.clear()
            case _:
                return getattr(target, name)(key, value)
    except KeyError:
        return KeyError


@given(st.lists(_STEPS))
def test_a_name_in_another_case_is_the_same_name(steps: list[tuple[str, Any, Any]]) -> None:
    """After any changes it holds what a dict of lower-case names does, in its order, and has told of each change."""
    changes: list[None] = []
    live = LiveMapping(fold_case=True, on_change=lambda: changes.append(None))
    model: dict[str, Any] = {}
    for name, key, value in steps:
        before, state, told = dict(model), live.state, len(changes)
        expected = _step(model, name, key and key.lower(), value)
        assert _step(live, name, key, value) == expected
        if model != before:
            assert live.state != state
            assert len(changes) > told
    assert [(name.lower(), value) for name, value in live.items()] == list(model.items())
    assert all(name.upper() in live and live[name.upper()] == live.get(name) for name in model)
    assert len(live) == len(model)
