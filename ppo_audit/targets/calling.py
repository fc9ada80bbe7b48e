"""How a callable is called: each parameter bound to a role, a value or a container, from its name and behaviour."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from ppo_audit.errors import UsageError
from ppo_audit.targets.names import CONTAINER, DEFAULT_VALUES, MODEL, ROLES, is_scalar, role_of


@dataclass(frozen=True)
class Binding:
    """One parameter: `role` if it takes one, a container type if it takes several, else left at its default."""

    name: str
    role: str | None = None
    container: type | None = None
    keyword: bool = True


@dataclass(frozen=True)
class Call:
    """A callable and its bindings; `names` maps the attribute names that containers asked for to roles."""

    function: Callable[..., Any]
    bindings: tuple[Binding, ...]
    overrides: Mapping[str, str]
    values: Mapping[str, Any]
    defaults: Mapping[str, Any]

    def arguments(self, batch: Mapping[str, Any], asked: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for a batch; what containers are asked for is noted in `asked`."""
        positional, keywords = [], {}
        for binding in self.bindings:
            value = self._argument(binding, batch, asked)
            if value is inspect.Parameter.empty:
                continue
            if binding.keyword:
                keywords[binding.name] = value
            else:
                positional.append(value)
        return positional, keywords

    @property
    def scalars(self) -> dict[str, Any]:
        """The scalar roles of parameters, as they are set."""
        roles = {each.role: each.name for each in self.bindings if each.role is not None and is_scalar(each.role)}
        return {role: self.scalar(role, name) for role, name in roles.items()}

    def scalar(self, role: str, name: str) -> Any:
        """A scalar role's value: the user's setting, the target's default, or the usual value."""
        if name in self.values or role in self.values:
            return self.values.get(name, self.values.get(role))
        return self.defaults.get(name, DEFAULT_VALUES[role])

    def _argument(self, binding: Binding, batch: Mapping[str, Any], asked: dict[str, str]) -> Any:
        if binding.name in self.values and binding.role is None:
            return self.values[binding.name]
        if binding.container is not None:
            return fill_container(binding, self, batch, asked)
        if binding.role is None:
            return inspect.Parameter.empty
        return self.lookup(binding.name, binding.role, batch)

    def lookup(self, name: str, role: str, batch: Mapping[str, Any]) -> Any:
        if role in batch:
            return batch[role]
        if is_scalar(role):
            return self.scalar(role, name)
        raise KeyError(role)


class Bag(dict[str, Any]):
    """A container that answers `batch["advantages"]`, `batch.advantages` and `batch.get(...)` by role."""

    def __init__(self, binding: Binding, call: Call, batch: Mapping[str, Any], asked: dict[str, str]) -> None:
        super().__init__()
        object.__setattr__(self, "_source", (binding, call, batch, asked))

    def __missing__(self, name: str) -> Any:
        binding, call, batch, asked = object.__getattribute__(self, "_source")
        key = f"{binding.name}.{name}"
        if name in call.values:
            return call.values[name]
        role = call.overrides.get(name) or call.overrides.get(key) or role_of(name)
        if role is None:
            raise unknown_name(key, call)
        asked[key] = role
        self[name] = call.lookup(name, role, batch)
        return self[name]

    def __getattribute__(self, name: str) -> Any:
        """`batch.values` is the critic's output here, not the method of a dict."""
        return self[name] if role_of(name) else super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and role_of(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """A known role by name, else the default."""
        return self[name] if name in self or dict.__contains__(self, name) else default


def bind(function: Callable[..., Any], overrides: Mapping[str, str], values: Mapping[str, Any]) -> Call:
    """Bind every parameter, or ask the user: raises UsageError naming the parameter and the option that settles it."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"`{function!r}` has no signature that can be read ({error}); wrap it in a function."
        ) from error
    hints = hints_of(function)
    defaults = {p.name: p.default for p in parameters.values() if p.default is not inspect.Parameter.empty}
    named = {parameter: role for role, parameter in overrides.items()}
    call = Call(function, (), named, values, defaults)
    bindings = tuple(
        binding
        for parameter in parameters.values()
        if (binding := _bind_one(parameter, hints.get(parameter.name), call)) is not None
    )
    return dataclasses.replace(call, bindings=bindings)


def _bind_one(parameter: inspect.Parameter, hint: Any, call: Call) -> Binding | None:
    name, keyword = parameter.name, parameter.kind is not inspect.Parameter.POSITIONAL_ONLY
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        return None
    role = call.overrides.get(name) or role_of(name)
    if name in call.values and (role is None or not is_scalar(role)):
        return Binding(name, keyword=keyword)
    required = parameter.default is inspect.Parameter.empty
    if is_record(hint):
        return Binding(name, container=hint, keyword=keyword)
    if (
        role is not None
        and not _is_flag(parameter)
        and (required or name in call.values or name in call.overrides or _takes_role(role, parameter))
    ):
        return Binding(name, role=role, keyword=keyword)
    if not required:
        return None
    if CONTAINER.match(name) or hint is dict:
        return Binding(name, container=Bag, keyword=keyword)
    raise _question(name, call)


def _takes_role(role: str, parameter: inspect.Parameter) -> bool:
    """An optional parameter takes its role if that is a tensor the loss can use, or a scalar that is switched on."""
    if is_scalar(role) or isinstance(parameter.default, int | float):  # what is a number by default is no tensor
        return is_scalar(role) and isinstance(parameter.default, int | float)
    return role in ("mask", "entropy", "old_value", "ref_log_prob", "value", "return_", "group", "old_log_prob")


def _is_flag(parameter: inspect.Parameter) -> bool:
    return isinstance(parameter.default, bool | str)


def is_record(hint: Any) -> bool:
    """Whether an annotation is of a dataclass or a named tuple."""
    if not isinstance(hint, type):
        return False
    return dataclasses.is_dataclass(hint) or (issubclass(hint, tuple) and hasattr(hint, "_fields"))


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a callable's parameters, or of a class's fields."""
    target = (
        function
        if inspect.isroutine(function) or isinstance(function, type)
        else getattr(function, "forward", function)
    )
    try:
        return get_type_hints(target)
    except Exception:  # a hint that cannot be evaluated tells nothing, and must not stop the audit
        return {}


def fill_container(binding: Binding, call: Call, batch: Mapping[str, Any], asked: dict[str, str]) -> Any:
    """A container with what it is asked for: a dataclass or namedtuple by its fields, else an object with names."""
    if binding.container is Bag:
        return Bag(binding, call, batch, asked)
    filled: dict[str, Any] = {}
    for name, default in fields_of(binding.container):
        role = call.overrides.get(name) or call.overrides.get(f"{binding.name}.{name}") or role_of(name)
        if name in call.values:
            filled[name] = call.values[name]
        elif role is not None and not isinstance(default, bool | str) and (role in batch or is_scalar(role)):
            if (
                is_scalar(role)
                and default is not inspect.Parameter.empty
                and role not in batch
                and role not in call.values
            ):
                continue
            asked[f"{binding.name}.{name}"] = role
            filled[name] = call.lookup(name, role, batch)
        elif default is inspect.Parameter.empty:
            raise unknown_name(f"{binding.name}.{name}", call)
    assert binding.container is not None
    return binding.container(**filled)


def fields_of(container: Any) -> list[tuple[str, Any]]:
    """The fields of a record with their defaults."""
    if dataclasses.is_dataclass(container):
        return [(f.name, _field_default(f)) for f in dataclasses.fields(container) if f.init]
    defaults = container._field_defaults
    return [(name, defaults.get(name, inspect.Parameter.empty)) for name in container._fields]


def _field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is dataclasses.MISSING else field.default_factory()


def _question(name: str, call: Call) -> UsageError:
    if MODEL.match(name):
        return UsageError(
            f"`{name}` of `{label(call.function)}` looks like a model, which cannot be made up. Give a function that "
            f"returns the arguments of one call: `--inputs yourmodule:make_args`."
        )
    return unknown_name(name, call)


def unknown_name(name: str, call: Call) -> UsageError:
    """The question to the user about a name that says nothing."""
    short = name.rsplit(".", 1)[-1]
    return UsageError(
        f"`{name}` of `{label(call.function)}`: its role is not clear from its name. Say which one it is, for instance "
        f"`--role advantage={short}` or `--set {short}=0.1`. Roles: {', '.join(sorted(ROLES))}."
    )


def label(function: Any) -> str:
    """A name for a callable in messages."""
    function = getattr(function, "func", function)  # of a functools.partial, what it calls
    return getattr(function, "__qualname__", None) or type(function).__name__
