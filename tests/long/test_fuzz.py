"""Bytes that nobody has thought of: what reads answers is held to its law for as long as there is time."""

import os
import random

import pytest

from tests.fuzz import engine, target

_SECONDS = 600.0 if os.environ.get("HEADRACE_LONG") else 10.0


@pytest.mark.hazard(14, 16, 17, 18, 19, 20, 22, 24, 25, 26, 30, 31)
@pytest.mark.timeout(_SECONDS + 100)
def test_nothing_is_found() -> None:
    """No bytes crash, hang or swell the parser and the decoders, and the pieces they come in decide nothing."""
    seed = random.randrange(1 << 32)  # noqa: S311 - new inputs every time, and told where they fail
    found = engine.fuzz(_SECONDS, seed)
    told = "\n".join(f"{data!r}: {error!r}" for data, error in found.failures[:5])
    assert not found.failures, f"python -m tests.fuzz --seed {seed}\n{told}"
    assert found.inputs > 1000


def test_the_corpus_is_small_and_of_use() -> None:
    """What is kept is little, and reaches what the cases do not."""
    kept = list(engine.CORPUS.iterdir())
    assert 0 < len(kept) < 200
    assert all(5 <= path.stat().st_size <= 4096 for path in kept)


@pytest.mark.parametrize(
    "broken",
    [
        lambda pieces: (
            ("complete", True, 200, b"", (), (), b"") if len(pieces) > 1 else ("refused", "ProtocolError", 0)
        ),
        lambda _: 1 / 0,
    ],
    ids=["split", "crash"],
)
def test_what_is_wrong_is_found(broken: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that is decided by pieces, or that raises something foreign, does not get through."""
    assert callable(broken)
    monkeypatch.setattr(target, "_read", lambda pieces, *_, **__: broken(pieces))
    assert engine.fuzz(60, 1, most=300).failures
