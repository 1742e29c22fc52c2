"""A model's validators run on a Struct as pydantic runs them.

The validators of a field run inside pydantic, as part of reading that field. Where one looks at the fields before its
own, the field waits, and is read when all of the document is there. Validators of the whole model run last.
"""

from __future__ import annotations

import dis
import inspect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import pydantic

from headrace import models
from headrace._models import foreign
from headrace.compat._structify import checked, kinds, reading
from headrace.compat._structify.reasons import Unfaithful, decorated, has_post_init

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo

    from headrace.compat._structify.reasons import Model

_WRAPPERS: Final[dict[str, Any]] = {
    "before": pydantic.BeforeValidator,
    "after": pydantic.AfterValidator,
    "wrap": pydantic.WrapValidator,
    "plain": pydantic.PlainValidator,
}
#: Instructions that name an attribute.
_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "LOAD_SUPER_ATTR"})
_state = threading.local()


@dataclass(frozen=True, slots=True)
class Info:
    """What a validator is told beside its value, as `pydantic.ValidationInfo` has it."""

    config: dict[str, Any]
    field_name: str | None
    data: dict[str, Any]
    mode: str = "json"
    context: None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What the document has for a field that is read when the others are there."""

    value: Any


class Run:
    """What is run after the fields of a Struct are read.

    Args:
        model: The model.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.config: dict[str, Any] = dict(model.model_config)
        #: Fields that wait, and how they are read.
        self.waiting: dict[str, Callable[[Any], Any]] = {}
        self.after = [_post_init(model)] if has_post_init(model) else []
        self.after += [_after(model, name) for name in model.__pydantic_decorators__.model_validators]

    def field(self, name: str, info: FieldInfo) -> Any:
        """Write the type of a field on which validators run, or `None` where there are none.

        Raises:
            Unfaithful: They cannot be run on what a Struct has.
        """
        decorators = decorated(self.model, name)
        inline = [meta for meta in info.metadata if isinstance(meta, checked.VALIDATORS)]
        if not decorators and not inline and not _runs_inside(info.annotation):
            return None
        if kinds.holds_model(info.annotation):
            raise Unfaithful("its validators would see Structs in place of models")
        functions = [(each.func, each.info.mode) for each in decorators]
        functions += [(meta.func, _mode(meta)) for meta in inline]
        wrapped = [_WRAPPERS[each.info.mode](self._called(each.func, each.info.mode, name)) for each in decorators]
        metadata = [
            type(meta)(self._called(meta.func, _mode(meta), name)) if isinstance(meta, checked.VALIDATORS) else meta
            for meta in info.metadata
        ]
        bare = [meta for meta in info.metadata if not isinstance(meta, checked.VALIDATORS)]
        checked.check_written(info.annotation, bare, code=True)
        metadata += wrapped
        kind = checked.checked(Annotated[(info.annotation, *metadata)] if metadata else info.annotation, self.config)
        if not any(_takes_info(func, mode) for func, mode in functions):
            return kind
        self.waiting[name] = foreign.reader_of(kind)
        foreign.register_reader(kind, lambda value: reading.passed_on(_Waiting(value)))
        return kind

    def _called(self, func: Callable[..., Any], mode: str, name: str) -> Callable[..., Any]:
        """Make the validator that pydantic calls of the one that wants to know the field and those before it."""
        if not _takes_info(func, mode):
            return func

        def told(value: Any) -> Any:
            return func(value, Info(self.config, name, _state.data))

        def wrapped(value: Any, handler: Any) -> Any:
            return func(value, handler, Info(self.config, name, _state.data))

        # Pydantic counts the parameters to know what a validator wants.
        return wrapped if mode == "wrap" else told

    def namespace(self, base: type) -> dict[str, Any]:
        """Make the methods of the Struct that run all this; `base` is what the Struct inherits."""
        if not self.waiting and not self.after:
            return {}
        names, waiting, after = tuple(self.model.model_fields), self.waiting, self.after

        def __post_init__(struct: Any) -> None:  # noqa: N807 - msgspec's name
            if getattr(_state, "quiet", False):
                return
            for name, read in waiting.items():
                value = getattr(struct, name)
                if type(value) is _Waiting:
                    before = names[: names.index(name)]
                    _state.data = {each: getattr(struct, each) for each in before}
                    try:
                        msgspec.structs.force_setattr(struct, name, read(value.value))
                    except ValueError as error:
                        raise ValueError(f"{error} (in the field `{name}`)") from None
                    finally:
                        _state.data = {}
            for run in after:
                _guarded(run, struct)

        def __reduce__(struct: Any) -> tuple[Any, ...]:  # noqa: N807 - Python's name
            reduce: Any = base.__reduce__
            make, args, *state = reduce(struct)
            return (rebuild, (make, *args), *state)

        return {"__post_init__": __post_init__, "__reduce__": __reduce__}


def rebuild(make: Callable[..., Any], *args: Any) -> Any:
    """Make a copy of a Struct without running its validators again."""
    _state.quiet = True
    try:
        return make(*args)
    finally:
        _state.quiet = False


def _mode(meta: Any) -> str:
    return next(mode for mode, kind in _WRAPPERS.items() if isinstance(meta, kind))


def _runs_inside(kind: Any) -> bool:
    """Tell whether a type has validators somewhere inside, such as in `list[Annotated[int, AfterValidator(f)]]`."""
    inner = [*getattr(kind, "__args__", ()), *getattr(kind, "__metadata__", ())]
    return any(isinstance(part, checked.VALIDATORS) or _runs_inside(part) for part in inner)


def _takes_info(func: Callable[..., Any], mode: str) -> bool:
    """Tell whether a validator wants to know more than its value."""
    try:
        found = inspect.signature(func).parameters.values()
    except (TypeError, ValueError):  # a builtin, such as `int`
        return False
    needed = [
        each
        for each in found
        if each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD} and each.default is each.empty
    ]
    return len(needed) > (2 if mode == "wrap" else 1)


def _after(model: Model, name: str) -> Callable[[Any], None]:
    """Make what runs a validator of the whole model on a Struct."""
    decorator = model.__pydantic_decorators__.model_validators[name]
    func = getattr(decorator.func, "__func__", decorator.func)
    bound = decorator.func is not func
    _check_names(model, func, name)
    config = dict(model.model_config)
    takes_info = len(inspect.signature(func).parameters) > 1 + bound

    def run(struct: Any) -> None:
        made = decorator.func(struct, Info(config, None, {})) if takes_info else decorator.func(struct)
        if made is not struct:
            raise ValueError(f"{name} returned another object, which a Struct cannot become")

    return run


def _post_init(model: Model) -> Callable[[Any], None]:
    func = inspect.unwrap(model.model_post_init)
    _check_names(model, func, "model_post_init")

    def run(struct: Any) -> None:
        func(struct, None)

    return run


def _guarded(run: Callable[[Any], None], struct: Any) -> None:
    """Run code on a Struct; what it raises to refuse is worded as pydantic words it."""
    try:
        run(struct)
    except AssertionError as error:
        raise ValueError(f"Assertion failed, {error}") from None
    except msgspec.ValidationError:
        raise
    except ValueError as error:
        raise ValueError(f"Value error, {error}") from None


def _check_names(model: Model, func: Callable[..., Any], name: str) -> None:
    """Raise `Unfaithful` where code asks for more of a model than its fields."""
    code = getattr(inspect.unwrap(func), "__code__", None)
    if code is None:
        raise Unfaithful(f"{name} cannot be looked into")
    pending, names = [code], set[str]()
    while pending:
        found = pending.pop()
        names |= {each.argval for each in dis.get_instructions(found) if each.opname in _ATTRIBUTES}
        names |= {"super"} & set(found.co_names)
        pending += [const for const in found.co_consts if inspect.iscode(const)]
    missing = sorted(names & {*dir(model), "super"} - set(model.model_fields) - set(dir(models.BaseModel)))
    if missing:
        raise Unfaithful(f"{name} asks for {', '.join(missing)}, which a Struct does not have")
