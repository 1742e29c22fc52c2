"""The Structs of one model and of all that it names, while they are made."""

from __future__ import annotations

import inspect
import keyword
from collections import defaultdict
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Final, ForwardRef, NamedTuple, NoReturn, TypeAlias, cast

import msgspec
import pydantic

from headrace import models
from headrace._models import foreign
from headrace.compat._structify import cycles, defaults, naming, reasons
from headrace.compat._structify.kinds import Kinds
from headrace.compat._structify.reasons import Unfaithful
from headrace.compat._structify.running import Run
from headrace.errors import StructifyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from headrace.compat._structify.reasons import Mode, Model
    from headrace.compat._structify.unions import Tag

Struct: TypeAlias = type[models.BaseModel]

#: The attribute of a Struct that says what it was derived from: for pickles.
ORIGIN: Final = "__structified__"
#: Which models the fields of a model name, of all that were ever made.
_nested: dict[Mode, dict[Key, dict[str, list[Key]]]] = {}


class Key(NamedTuple):
    """What a Struct is made for: a model, and the tag that it has in a union."""

    model: Model
    tag: Tag | None = None


class Origin(NamedTuple):
    """What a Struct was derived from, as its class holds it.

    A pickle of the class never has it (see `headrace.compat.structify`). Only cloudpickle, which asks nobody how,
    copies such a class with all that is in it, and what comes of that is no Struct that could be used.
    """

    mode: Mode
    model: Model
    tag: Tag | None

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied."""
        message = (
            f"a Struct derived from a model ({self.model.__name__}) cannot be pickled by value, as cloudpickle does it:"
            " send the model, and call structify where it arrives; or use pickle, which does just that"
        )
        raise PicklingError(message)


class Workshop:
    """Makes the Structs of one model and of all that it names.

    Args:
        mode: What is asked of them; in a twin, what is missing stays `UNSET`.
        made: Structs that were made before; new ones without a problem are added.
    """

    def __init__(self, mode: Mode, made: dict[Key, Struct]) -> None:
        self.mode: Final = mode
        self.made = made
        self.structs: dict[Key, Struct] = {}
        self.problems: dict[Key, dict[str, str]] = {}
        #: Which models the fields of a model name.
        self.nested = _nested.setdefault(mode, {})
        #: Models that were named while they were being made, and the names that stand for their Structs.
        self.forward: dict[Key, str] = {}

    def build(self, key: Key) -> None:
        """Make the Struct of a model; what cannot be carried over is left out, and a problem."""
        model, tag = key
        reasons.rebuilt(model)
        problems = self.problems[key] = dict(reasons.of_model(model, self.mode))
        self.nested[key] = defaultdict(list)
        base = getattr(model, "__struct_base__", models.BaseModel)
        base = msgspec.Struct if self.mode.twin else models.Response if inspect.isabstract(base) else base
        namespace: dict[str, Any] = {"__doc__": model.__doc__, ORIGIN: Origin(self.mode, *key)}
        runner = None
        if self.mode.validators == "run":
            try:
                runner = Run(model)
            except Unfaithful as reason:
                problems.setdefault("model_validator", str(reason))
        fields: list[tuple[str, Any, Any]] = []
        for name, info in model.model_fields.items():
            if tag is not None and name == tag.field:
                namespace |= {name: tag.value, "__tag_name__": name}
                continue
            try:
                kind = runner.field(name, info) if runner is not None else None
                kind = self.kinds(key, name).field(info) if kind is None else kind
                fields.append((name, kind, msgspec.field(**self.settings(key, name, info))))
            except Unfaithful as reason:
                problems.setdefault(name, str(reason))
        if runner is not None:
            namespace |= runner.namespace(base)
        try:
            struct = self.define(key, fields, base, namespace)
        except (TypeError, ValueError) as error:  # such as two fields with one alias
            problems["model_config"] = str(error)
            struct = msgspec.defstruct(model.__name__, [])
        self.structs[key] = cast("Struct", struct)

    def define(self, key: Key, fields: list[tuple[str, Any, Any]], base: type, namespace: dict[str, Any]) -> Any:
        """Make the class."""
        model, tag = key
        return msgspec.defstruct(
            model.__name__,
            fields,
            bases=(base,),
            module=model.__module__,
            namespace=namespace,
            kw_only=True,
            frozen=bool(model.model_config.get("frozen")) and not self.mode.twin,
            forbid_unknown_fields=model.model_config.get("extra") == "forbid",
            tag_field=None if tag is None else tag.key,
            tag=None if tag is None else tag.text,
            # A twin lives for the blink of an eye, and JSON makes no cycles.
            gc=not self.mode.twin
            and (issubclass(base, models.Response) or any(cycles.possible(kind) for _, kind, _ in fields)),
        )

    def settings(self, key: Key, name: str, info: FieldInfo) -> dict[str, Any]:
        """Find the arguments of `msgspec.field`."""
        found: dict[str, Any] = {"name": naming.json_name(key.model, name, info, self.mode)}
        if not self.mode.twin:
            return found | defaults.default(info, lambda value: self.carried(key, name, value))
        defaults.check_default(info)
        hidden = inspect.getattr_static(key.model, name, None)
        if not name.isidentifier() or keyword.iskeyword(name) or hasattr(hidden, "__set__"):
            raise Unfaithful("it has a name that cannot be assigned")
        return found if info.is_required() else {**found, "default": msgspec.UNSET}

    def carried(self, key: Key, name: str, value: pydantic.BaseModel) -> Any:
        """Make the Struct of a model that is, or is in, the default of a field."""
        if isinstance(value, pydantic.RootModel):
            return defaults.copied(value.root, lambda inner: self.carried(key, name, inner))
        target = next((each for each in self.nested[key][name] if each.model is type(value)), Key(type(value)))
        struct = self.made.get(target) or self.structs.get(target)
        if struct is None:
            workshop = Workshop(self.mode, self.made)
            struct = workshop.finished(target)
        fields = {}
        for each in struct.__struct_fields__:
            info = target.model.model_fields[each]
            fields[each] = defaults.copied(
                defaults.fitted(info.annotation, getattr(value, each)),
                lambda inner: self.carried(target, each, inner),  # noqa: B023 - called at once
                text=defaults.is_text(info),
            )
        return struct(**fields)

    def kinds(self, key: Key, name: str) -> Kinds:
        """Make what writes the type of a field."""
        return Kinds(key.model, lambda target, tag: self.struct(key, name, Key(target, tag)), self.mode)

    def struct(self, key: Key, name: str, target: Key) -> Any:
        """Find or make the Struct of a nested model."""
        self.nested[key][name].append(target)
        if target in self.made:
            return self.made[target]
        if target not in self.problems:
            self.build(target)
        if target in self.structs:
            return self.structs[target]
        return ForwardRef(self.forward.setdefault(target, f"_forward_{len(self.forward)}"))

    def finish(self) -> None:
        """Make the Structs usable, and find what msgspec refuses; a field whose model has a problem is passed over."""
        for struct in self.structs.values():
            for target, name in self.forward.items():
                setattr(struct, name, self.structs[target])  # msgspec looks for names in the class first
        tainted = {key for key, problems in self.problems.items() if problems}
        for key, struct in self.structs.items():
            for field in msgspec.structs.fields(struct):
                if not tainted.isdisjoint(self.nested[key][field.name]):
                    tainted.add(key)
                    continue
                try:
                    msgspec.json.Decoder(field.type, dec_hook=foreign.dec_hook)
                except (TypeError, ValueError, NotImplementedError) as error:
                    self.problems[key].setdefault(field.name, str(error))
                    tainted.add(key)

    def finished(self, key: Key) -> Struct:
        """Make the Struct of a model and of all that it names, and keep them.

        Raises:
            headrace.errors.StructifyError: Something has no faithful counterpart.
        """
        if key not in self.made:
            self.build(key)
            self.finish()
            problems = dict(self.report(key))
            if problems:
                raise StructifyError(key.model.__name__, problems)
            self.made.update(self.structs)
        return self.made[key]

    def report(self, key: Key, prefix: str = "", seen: set[Key] | None = None) -> Iterator[tuple[str, str]]:
        """Name every problem by the dotted path of its field; of a model named twice, where it is first."""
        seen = set() if seen is None else seen
        seen.add(key)
        for name, reason in self.problems.get(key, {}).items():
            yield prefix + name, reason
        for name, inner in self.nested.get(key, {}).items():
            for target in inner:
                if target not in seen:
                    yield from self.report(target, f"{prefix}{name}.", seen)
