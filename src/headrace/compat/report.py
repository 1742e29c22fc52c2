"""What `structify` makes of many models at once: which convert, which do not, and why."""

from __future__ import annotations

import importlib
import pkgutil
import re
import warnings
from collections import Counter
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import msgspec
import pydantic

from headrace.compat import _code, _source
from headrace.compat._structify import costs
from headrace.compat.structify import structify
from headrace.errors import StructifyError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_Model: TypeAlias = type[pydantic.BaseModel]
#: What to do with the code that a model runs: see `structify`.
Validators: TypeAlias = Literal["error", "drop", "run"]

#: The place of a problem that no field has.
_WHOLE: Final = "(model)"
_MOST_REASONS: Final = 20  # lines that a reader takes in; `to_dict` has all


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What `structify` makes of one model.

    Attributes:
        model: The model's module and name.
        runs_code: Whether it, or a model that its fields name, has a validator, a serializer, a computed field or
            other code that runs when JSON is read or written.
        problems: The dotted path of each field that cannot be carried over, and the reason; empty when it converts.
        slow: The dotted path of each field that msgspec alone does not read, and what does: `"converted: Decimal"` is
            one call more, `"checked: ByteSize"` a validation by pydantic. Empty where it does not convert.
    """

    model: str
    runs_code: bool
    problems: dict[str, str]
    slow: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def converts(self) -> bool:
        """Whether the model becomes a Struct."""
        return not self.problems


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why models do not convert.

    Attributes:
        reason: The sentence, with `…` for what differs from field to field.
        models: How many models it keeps from converting.
        fields: How many fields of them it is about; a field of a nested model counts once for each way to it.
        example: One of them: the model, a colon, and the path of the field.
    """

    reason: str
    models: int
    fields: int
    example: str


class SlowType(msgspec.Struct, frozen=True, kw_only=True):
    """A type that msgspec alone does not read.

    Attributes:
        kind: The type.
        cost: `"converted"`, one call more for a value, or `"checked"`, a validation by pydantic.
        models: How many models that convert have it.
        fields: In how many of their fields; one of a nested model counts once for each model that names it.
        example: One of them: the model, a colon, and the path of the field.
    """

    kind: str
    cost: str
    models: int
    fields: int
    example: str


class StructifyReport:
    """Which of many pydantic models convert with `structify`, which do not, and why.

    Args:
        target: The name of a module or package, which is imported and searched with all that is in it; such a name,
            a colon and the name of one model; the module itself; or the models.
        validators: What to do with the code that a model runs, as in `structify`.
        lossy: What may get lost, as in `structify`.

    Attributes:
        target: What was looked at, as text.
        verdicts: What `structify` makes of each model, by name.
        unread: The modules below the target that could not be imported, and why.

    Raises:
        ValidationError: There is no such module or model, or the target itself cannot be imported.
    """

    def __init__(
        self,
        target: str | ModuleType | Iterable[_Model],
        *,
        validators: Validators = "error",
        lossy: Collection[Literal["extra", "names"]] = (),
    ) -> None:
        if validators not in get_args(Validators):
            raise ValidationError(f"validators: got {validators!r}, takes 'error', 'drop' or 'run'")
        if isinstance(lossy, str) or not set(lossy) <= {"extra", "names"}:
            raise ValidationError(f"lossy: got {lossy!r}, takes a collection of 'extra' and 'names'")
        given = {"validators": validators, "lossy": frozenset(lossy)}
        #: The arguments of `structify` that are not its defaults.
        self._settings = {name: value for name, value in given.items() if value not in ("error", frozenset())}
        self.unread: dict[str, str] = {}
        self.models: tuple[_Model, ...]
        if isinstance(target, str | ModuleType):
            self.target = target if isinstance(target, str) else target.__name__
            self.models = tuple(_found(target, self.unread))
        else:
            self.models = tuple(_checked(target))
            self.target = f"{len(self.models)} models"
        coded = _code.Code()
        self.verdicts: tuple[Verdict, ...] = tuple(
            _verdict(model, self._settings, runs_code=coded.runs(model)) for model in self.models
        )

    @property
    def total(self) -> int:
        """How many models there are."""
        return len(self.verdicts)

    @property
    def converting(self) -> int:
        """How many of them convert."""
        return sum(verdict.converts for verdict in self.verdicts)

    @property
    def share(self) -> float:
        """The share of models that convert, from 0 to 1; 1 where there are none."""
        return self.converting / self.total if self.total else 1.0

    @property
    def without_code(self) -> tuple[Verdict, ...]:
        """The verdicts on models that run no code: no validators, serializers or computed fields."""
        return tuple(verdict for verdict in self.verdicts if not verdict.runs_code)

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why models do not convert, what stops most of them first."""
        fields: Counter[str] = Counter()
        models: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for verdict in self.verdicts:
            grouped = {path: outline(reason) for path, reason in verdict.problems.items()}
            fields.update(grouped.values())
            models.update(set(grouped.values()))
            for path, reason in grouped.items():
                examples.setdefault(reason, f"{verdict.model}: {path}")
        ranked = sorted(fields, key=lambda reason: (-models[reason], -fields[reason], reason))
        return tuple(
            Reason(reason=reason, models=models[reason], fields=fields[reason], example=examples[reason])
            for reason in ranked
        )

    @property
    def slow(self) -> tuple[SlowType, ...]:
        """The types that msgspec alone does not read, the slowest first, then what most fields have."""
        fields: Counter[tuple[str, str]] = Counter()
        models: Counter[tuple[str, str]] = Counter()
        examples: dict[tuple[str, str], str] = {}
        for verdict in self.verdicts:
            told = {path: _parted(said) for path, said in verdict.slow.items()}
            fields.update(told.values())
            models.update(set(told.values()))
            for path, key in told.items():
                examples.setdefault(key, f"{verdict.model}: {path}")
        ranked = sorted(fields, key=lambda key: (key[0], -fields[key], key))  # "checked" comes before "converted"
        return tuple(
            SlowType(kind=key[1], cost=key[0], models=models[key], fields=fields[key], example=examples[key])
            for key in ranked
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the report as plain dicts, lists, strings and numbers."""
        bare = self.without_code
        return {
            "target": self.target,
            "total": self.total,
            "converting": self.converting,
            "share": self.share,
            "without_code": {"total": len(bare), "converting": sum(verdict.converts for verdict in bare)},
            "reasons": msgspec.to_builtins(list(self.reasons)),
            "slow": msgspec.to_builtins(list(self.slow)),
            "verdicts": [{"converts": verdict.converts, **msgspec.to_builtins(verdict)} for verdict in self.verdicts],
            "unread": dict(self.unread),
        }

    def to_json(self) -> str:
        """Give the report as JSON text, indented by two spaces."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=2).decode()

    def source(self) -> _source.Source:
        """Write the Structs of the models that convert as the source of a module.

        Returns:
            The source, and which models are not in it although they convert: those that run code, those with a default
            that has no source, such as a secret or what a lambda makes, and those that name one of them.
        """
        ready = [
            (model, _derived(model, self._settings))
            for model, verdict in zip(self.models, self.verdicts, strict=True)
            if verdict.converts
        ]
        return _source.write(ready, f"Structs of the pydantic models in {self.target}, written by headrace structify.")

    def __str__(self) -> str:
        lines = [self.headline()]
        for verdict in self.verdicts:
            if verdict.problems:
                lines += ["", verdict.model, *(f"    {path}: {reason}" for path, reason in verdict.problems.items())]
        reasons = self.reasons
        if reasons:
            lines += ["", "why not, by the number of models:"]
            lines += [f"{reason.models:>6}  {reason.reason}" for reason in reasons[:_MOST_REASONS]]
            lines += [f"        and {len(reasons) - _MOST_REASONS} other reasons"] * (len(reasons) > _MOST_REASONS)
        slow = self.slow
        if slow:
            lines += ["", "slower than msgspec alone, by the number of fields:"]
            lines += [f"{each.fields:>6}  {each.kind} is {each.cost} ({each.example})" for each in slow[:_MOST_REASONS]]
            lines += [f"        and {len(slow) - _MOST_REASONS} other types"] * (len(slow) > _MOST_REASONS)
        if self.unread:
            lines += ["", "not read, for the import failed:"]
            lines += [f"    {module}: {reason}" for module, reason in self.unread.items()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<StructifyReport {self.headline()}>"

    def headline(self) -> str:
        """Say in one line how many models convert."""
        bare = self.without_code
        if not self.total:
            return f"{self.target}: there are no pydantic models"
        said = f"{self.target}: {self.converting} of {self.total} models convert ({_percent(self.share)})"
        if len(bare) not in {0, self.total}:
            said += f"; {sum(verdict.converts for verdict in bare)} of the {len(bare)} that run no code"
        return said


def _derived(model: _Model, settings: dict[str, Any]) -> Any:
    return structify(model, **settings)


def _verdict(model: _Model, settings: dict[str, Any], *, runs_code: bool) -> Verdict:
    """Try one model."""
    problems, slow = {}, {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library says of its own models is not this report's business
            found = costs.fields(_derived(model, settings))
        slow = {field.path: f"{field.cost}: {field.kind}" for field in found if field.kind}
    except StructifyError as error:
        problems = error.problems
    except Exception as error:  # noqa: BLE001 - one model in a thousand that pydantic cannot finish is a line of the report
        problems = {_WHOLE: f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    return Verdict(model=_name(model), runs_code=runs_code, problems=problems, slow=slow)


def _parted(said: str) -> tuple[str, str]:
    """Part what a verdict says of a slow field into its cost and its type."""
    cost, _, kind = said.partition(": ")
    return cost, kind


def _found(target: str | ModuleType, unread: dict[str, str]) -> Iterator[_Model]:
    """Find the models of a module and of all that is below it; those it only imports from elsewhere are left out."""
    if isinstance(target, ModuleType):
        top, single = target, ""
    else:
        name, _, single = target.partition(":")
        top = _imported(name)
    if single:
        try:
            model: Any = top
            for step in single.split("."):
                model = getattr(model, step)
        except AttributeError as error:
            raise ValidationError(f"target: got {target!r}, but {top.__name__} has no {single!r}") from error
        yield from _checked([model])
        return
    seen: dict[_Model, None] = {}
    for module in (top, *_below(top, unread)):
        for value in list(vars(module).values()):
            if _is_model(value) and f"{value.__module__}.".startswith(f"{top.__name__}."):
                seen[value] = None
    yield from sorted(seen, key=_name)


def _imported(name: str) -> ModuleType:
    """Import what the user named."""
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise ValidationError(f"target: got {name!r}, takes the name of a module, such as 'mypkg.models'")
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise ValidationError(f"target: {name!r} cannot be imported: {_told(error)}") from error


def _below(top: ModuleType, unread: dict[str, str]) -> Iterator[ModuleType]:
    """Import every module below a package; a `__main__` is a program, and stays alone."""
    pending = [top]
    while pending:
        package = pending.pop()
        for found in pkgutil.iter_modules(getattr(package, "__path__", ()), f"{package.__name__}."):
            if found.name.endswith(".__main__"):
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    module = importlib.import_module(found.name)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module does when it is imported
                unread[found.name] = _told(error)
                continue
            yield module
            if found.ispkg:
                pending.append(module)


def _checked(models: Iterable[_Model]) -> Iterator[_Model]:
    try:
        given: list[Any] = list(models)
    except TypeError:
        raise ValidationError(f"target: got {models!r}, takes a module, its name, or pydantic models") from None
    for model in given:
        if not _is_model(model):
            raise ValidationError(f"target: got {model!r}, takes pydantic v2 model classes")
        yield model


def _is_model(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, pydantic.BaseModel)


def _name(model: _Model) -> str:
    return f"{model.__module__}.{model.__qualname__}"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def outline(reason: str) -> str:
    """Group reasons: leave out of a reason what differs from field to field; a type that is the reason stays."""
    reason = re.sub(r"(?<!class )(?<!\w)('[^']*'|\"[^\"]*\"|`[^`]*`)", "…", reason)
    head, tells, members = reason.partition("tells ")
    _, apart, tail = members.rpartition(" apart")
    return f"{head}{tells}…{apart}{tail}" if apart else reason  # the members of a union


def _percent(share: float) -> str:
    return f"{int(share * 1000) / 10:.1f} %"  # cut, not rounded: 100 % means all
