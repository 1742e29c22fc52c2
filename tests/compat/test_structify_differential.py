"""Pydantic and what `structify` derives agree on every document, or the difference is in the one table of the docs."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, get_args

import pydantic
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from headrace.compat.pydantic import Fast, structify
from headrace.errors import StructifyError
from tests.kit import ROOT
from tests.kit.differential_models import document, models
from tests.kit.differential_table import DIFFERENCES, EXAMPLES, Twins, explain
from tests.kit.differential_values import PLAIN, Kind

#: In CI the same documents each time; on request many more, and others.
LONG = bool(os.environ.get("HEADRACE_LONG"))
SEED = random.SystemRandom().getrandbits(32) if LONG else 20_260_601
MODELS, DOCUMENTS = (10_000, 100) if LONG else (250, 84)
PAGE = ROOT / "docs/structify-differences.md"

#: A text with a pattern beside a list or mapping, and a constrained number beside a tuple of two.
_UNIONS = """
from typing import Annotated, Union
from pydantic import Field, create_model
from headrace.compat.pydantic import structify
texts, numbers = Annotated[str, Field(pattern="a")], Annotated[int, Field(ge=1)]
for _ in range(5):
    for member in (list[int], set[str], tuple[int, ...], dict, dict[str, int]):
        structify(create_model("One", field=(Union[member, texts], None))).model_validate_json(b'{"field": "a"}')
    for member in (texts, numbers, Annotated[str, Field(min_length=1)], Annotated[float, Field(lt=2)]):
        both = Union[tuple[int, str], member]
        model = create_model("One", field=(both, None), more=(list[Union[both, None]], []))
        structify(model).model_validate_json(b'{"field": [1, "a"], "more": [[1, "a"]]}')
"""


def told(model: Any, seen: set[Any] | None = None) -> str:
    """Write a model, and every model in it, so that a person can make it again."""
    seen = set() if seen is None else seen
    if not (isinstance(model, type) and issubclass(model, pydantic.BaseModel)):
        return "".join(told(part, seen) for part in get_args(model))
    if model in seen:
        return ""
    seen.add(model)
    fields = "\n    ".join(f"{name}: {info!r}" for name, info in model.model_fields.items())
    inner = "".join(told(info.annotation, seen) for info in model.model_fields.values())
    return f"{model.__name__} {model.model_config}\n    {fields}\n{inner}"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of defaults that are no values of their types
@pytest.mark.timeout(12 * 3600 if LONG else 300)
def test_what_is_derived_agrees_with_the_model() -> None:
    """The Struct and `Fast[Model]` read what the model reads in strict mode, and write the same."""
    tally: Counter[str] = Counter()

    @seed(SEED)
    @settings(
        max_examples=MODELS,
        derandomize=False,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(models(), st.integers(0, 2**32))
    def agree(kind: Kind, number: int) -> None:
        model, chance = kind.annotation, random.Random(number)  # noqa: S311 - no secret
        derived = [Twins(model, structify(model))]
        with suppress(StructifyError):  # it refuses a few more models than `structify` does
            derived.append(Twins(model, Fast[model]))
        for _ in range(DOCUMENTS):
            text = document(kind, chance)
            for twins in derived:
                for case in twins.cases(text):
                    entry = explain(case)
                    assert entry is not None, f"seed {SEED}: {twins.derived!r}\n{case}\n{told(model)}"
                    tally[entry] += 1
            tally["documents"] += 1
            tally["taken"] += derived[0].takes(text)
            tally["fast"] += len(derived) - 1

    agree()
    assert tally["documents"] >= 20_000
    assert tally["fast"] > 0.9 * tally["documents"]
    assert 0.3 < tally["taken"] / tally["documents"] < 0.8, tally


@pytest.mark.parametrize("kind", PLAIN, ids=lambda kind: str(kind.annotation))
def test_plain_types_are_carried_over(kind: Kind) -> None:
    """What the models above are made of is no type that `structify` refuses, or nothing would be compared."""
    model = pydantic.create_model("One", field=(kind.annotation, ...))
    assert structify(model).__struct_fields__ == ("field",)


@pytest.mark.parametrize(("name", "holds"), DIFFERENCES, ids=[name for name, _ in DIFFERENCES])
def test_every_difference_is_real(name: str, holds: Any) -> None:
    """Nothing is excused that the two do alike: each entry of the table has a document that shows it."""
    annotation, text = EXAMPLES[name]
    model = pydantic.create_model("One", field=annotation)
    cases = list(Twins(model, structify(model)).cases(text))
    assert cases
    assert all(holds(case) for case in cases), cases


def test_every_difference_is_documented() -> None:
    """The page has a row for each entry of the table, in its order, and no other."""
    rows = re.findall(r"^\| ([^|]+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in rows if row not in {"what", "---"}] == [name for name, _ in DIFFERENCES]


def test_no_union_breaks_memory() -> None:
    """Unions whose decoders msgspec 0.22 frees wrongly are never given to it; a debugging allocator would see it."""
    ran = subprocess.run([sys.executable, "-c", _UNIONS], env=os.environ | {"PYTHONMALLOC": "debug"}, check=False)
    assert ran.returncode == 0
