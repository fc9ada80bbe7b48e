"""What a target lets its user set: arguments with a default, options of its class, numbers that it holds.

It holds them in a closure, in a namespace or dict that is a default, or in its module.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.subjects.run import call_under_recorder
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.calling import Call, bind
from ppo_audit.targets.held import SIMPLE, Shelf, mentions, shelves, with_number
from ppo_audit.targets.names import is_scalar, role_of

Function = Callable[..., Any]


@dataclass(frozen=True)
class Option:
    """One setting by name, its value as the audit finds it, and the subject with another value in its place."""

    name: str
    value: float | bool | None
    at: Callable[[float | bool], Subject]
    is_held: bool = False
    """Whether it stands beside others in a container, where other code may read it."""

    @property
    def role(self) -> str | None:
        """The scalar role that the name suggests."""
        role = role_of(self.name)
        return role if role is not None and is_scalar(role) else None

    @property
    def others(self) -> tuple[float | bool, ...]:
        """What else it is tried at; one that is off or 0 is turned on."""
        if isinstance(self.value, bool) or not self.value:
            return (not self.value,) if isinstance(self.value, bool) else (1,)
        return (2 * self.value, self.value / 2) if isinstance(self.value, float) else (2 * self.value,)


def options(subject: Subject) -> list[Option]:
    """The numbers and switches that a called target offers and its code speaks of; none for a recording."""
    call = _call(subject)
    if call is None:
        return []
    named = mentions(call.function)
    shelved = {name: value for name, value in _shelved(call).items() if name in named}
    sources = (
        shelved,
        _captured(call.function),
        _constructed(call.function),
        _fields(call),
        _asked(subject, call),
        _arguments(call),
    )
    offered = {name: value for source in sources for name, value in source.items()}
    own = {name for source in sources[1:] for name in source}
    return [_option(subject, name, value, name not in own) for name, value in offered.items()]


def _option(subject: Subject, name: str, value: Any, is_held: bool) -> Option:
    return Option(name, value, functools.partial(_at, subject, name), is_held)


def switched_on(subject: Subject) -> Iterator[Subject]:
    """The subject with each argument in force that is None, and so off, by default: some options show only then."""
    call = _call(subject)
    off = [name for name, default in call.defaults.items() if default is None] if call else []
    yield from (_at(subject, name, 3.0) for name in off if call and name not in call.values)


def option(subject: Subject, role: str) -> Option | None:
    """The setting that plays a scalar role; one that is held beside others may have been forgotten by the code."""
    call = _call(subject)
    held = _shelved(call) if call else {}
    silent = [_option(subject, name, value, True) for name, value in held.items()]
    return next((found for found in (*options(subject), *silent) if found.role == role), None)


def with_options(subject: Subject, settings: Mapping[str, float]) -> Subject:
    """The subject with other numbers for scalar roles, as far as it has an option for each."""
    for role, number in settings.items():
        found = option(subject, role)
        subject = found.at(number) if found else subject
    return subject


def texts(subject: Subject) -> dict[str, str]:
    """Parameters that hold a word, by default or as the user set them; none for a recording."""
    call = _call(subject)
    values = {**call.defaults, **call.values} if call else {}
    return {name: value for name, value in values.items() if isinstance(value, str)}


def with_value(subject: Subject, name: str, value: str) -> Subject:
    """The subject with a word in a parameter's place."""
    return _at(subject, name, value)


def function_of(subject: Subject) -> Function | None:
    """The target's own function; None for a recording."""
    call = _call(subject)
    return call.function if call else None


def _call(subject: Subject) -> Call | None:
    evaluate = subject.evaluate
    if not isinstance(evaluate, functools.partial) or evaluate.func is not call_under_recorder:
        return None
    return evaluate.args[0] if isinstance(evaluate.args[0], Call) else None


def _captured(function: Function) -> dict[str, Any]:
    """Numbers in the closure of a function that a factory made."""
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars if cells else ()
    held = {name: cell.cell_contents for name, cell in zip(names, cells, strict=True)}
    return {name: value for name, value in held.items() if isinstance(value, SIMPLE)}


def _constructed(function: Function) -> dict[str, Any]:
    """Options of the constructor of a module, as its attributes hold them."""
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, torch.nn.Module):
        return {}
    names = inspect.signature(type(owner)).parameters
    return {name: value for name in names if isinstance(value := getattr(owner, name, None), SIMPLE)}


def _fields(call: Call) -> dict[str, Any]:
    """Fields with a plain default of the dataclasses that the target takes."""
    records = [binding.container for binding in call.bindings if dataclasses.is_dataclass(binding.container)]
    found = {field.name: field.default for record in records for field in dataclasses.fields(record)}
    return {name: call.values.get(name, value) for name, value in found.items() if isinstance(value, SIMPLE)}


def _shelved(call: Call) -> dict[str, Any]:
    """What stands in containers that are defaults, and in the target's module."""
    containers = {binding.name for binding in call.bindings if binding.container}
    open_ = [shelf for shelf in shelves(call.function) if shelf.name not in containers]
    return {name: value for shelf in open_ for name, value in shelf.numbers.items()}


def _shelf_of(call: Call, name: str) -> Shelf | None:
    """The shelf that a number stands on; what is passed or captured by that name comes first."""
    if name in call.defaults or name in _captured(call.function) or name in _constructed(call.function):
        return None
    if name not in _shelved(call) or name in call.values or name in _fields(call):
        return None
    return next(shelf for shelf in reversed(shelves(call.function)) if name in shelf.numbers)


def _asked(subject: Subject, call: Call) -> dict[str, Any]:
    """Scalars that the target's containers were asked for."""
    named = {name.rpartition(".")[2]: role for name, role in call.overrides.items() if role in subject.scalars}
    return {name: call.scalar(role, name) for name, role in named.items()}


def _arguments(call: Call) -> dict[str, Any]:
    """Parameters with a default that is a number or a switch, in force unless the user set another."""
    values = {name: call.values.get(name, default) for name, default in call.defaults.items()}
    return {name: value for name, value in values.items() if isinstance(value, SIMPLE)}


def _at(subject: Subject, name: str, value: float | bool | str) -> Subject:
    """The subject with one option at another value."""
    call = _call(subject)
    assert call is not None
    function, shelf = call.function, _shelf_of(call, name)
    if shelf is not None:
        changed, passed = with_number(function, shelf, name, value)
        call = bind(changed, {role: given for given, role in call.overrides.items()}, {**call.values, **passed})
    elif name in _captured(function) and name not in call.defaults:
        call = dataclasses.replace(call, function=_recaptured(function, name, value))
    elif name in _constructed(function) and name not in call.defaults:
        call = dataclasses.replace(call, function=_rebuilt(function, name, value))
    else:
        overrides = {role: given for given, role in call.overrides.items()}
        call = bind(function, overrides, {**call.values, name: value})
    evaluate = functools.partial(call_under_recorder, call, *subject.evaluate.args[1:])  # type: ignore[attr-defined]
    return dataclasses.replace(subject, evaluate=evaluate)


def _recaptured(function: Function, name: str, value: object) -> Function:
    """The same code over another cell; functions inside keep theirs."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closure = tuple(types.CellType(value) if free == name else cell for free, cell in cells)
    fresh = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )
    fresh.__kwdefaults__ = function.__kwdefaults__
    return fresh


def _rebuilt(function: Function, name: str, value: object) -> Function:
    """The method of a module built anew with its options, one of them changed."""
    owner = function.__self__  # type: ignore[attr-defined]
    fresh: Function = getattr(type(owner)(**{**_constructed(function), name: value}), function.__name__)
    return fresh


def doubly_played(subject: Subject) -> bool:
    """Whether two arguments play one role: they hold the same numbers, and a setting between them has no effect."""
    call = _call(subject)
    roles = list(call.overrides.values()) if call else []
    names = [binding.role for binding in call.bindings if binding.role] if call else []
    return len(roles) != len(set(roles)) or len(names) != len(set(names))


def effects(
    subject: Subject, role: str, factors: tuple[float, ...] = (0.0, 1.0, 2.0)
) -> list[Mapping[str, torch.Tensor]] | None:
    """The gradient for every input on one ordinary batch, with a coefficient at 0, once and twice its value.

    Nothing where it cannot be set, or is held in a container for a term that is not in this loss.
    """
    found = option(subject, role)
    if found is None or (found.is_held and role.removesuffix("_coef") not in subject.anatomy.families):
        return None
    unit = found.value or 1.0
    return [dict(_gradients(found.at(factor * unit))) for factor in factors]


def is_of_another_mode(subject: Subject, role: str) -> bool:
    """Whether a setting does nothing as the target stands, but in a mode that another word of its code would choose."""
    function = function_of(subject)
    if function is None or _shows(subject, role):
        return False
    words = [word for word in function.__code__.co_consts if isinstance(word, str) and word.isidentifier()]
    return any(_shows(with_value(subject, name, word), role) for name in texts(subject) for word in words)


def _shows(subject: Subject, role: str) -> bool:
    try:
        found = effects(subject, role)
    except NotApplicable:
        return False
    first, *others = found or [{}]
    return any(not torch.equal(first[name], other[name]) for other in others for name in first)


def _gradients(subject: Subject) -> Iterator[tuple[str, torch.Tensor]]:
    run = subject.run(subject.rows(8))
    for role, leaf in run.leaves.items():
        if leaf.requires_grad:
            (gradient,) = torch.autograd.grad(run.loss, [leaf], allow_unused=True, retain_graph=True)
            yield role, torch.zeros_like(leaf) if gradient is None else gradient.detach()
