"""Settings that a target holds and no call passes: closures, attributes, defaults that are containers, its module.

A *shelf* is a container that the target reads: `args=Namespace(...)` as a default, `DEFAULTS = {...}` in its module, or
a constant there such as `VF_COEF = 0.5`. A shelf may hold much that is no business of a loss; `mentions` tells what its
code speaks of.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ppo_audit.targets.names import is_scalar, role_of

SMALLEST = 1e-5
"""A held number below it is a guard against division by zero, whatever its name."""
SIMPLE = (bool, int, float)
Function = Callable[..., Any]


@dataclass(frozen=True)
class Shelf:
    """What a name holds: the default of a parameter, or what the module of the target has under it."""

    name: str
    content: Any
    is_of_module: bool

    @property
    def numbers(self) -> dict[str, Any]:
        """The plain numbers and switches on it."""
        if isinstance(self.content, SIMPLE):
            return {self.name: self.content}
        items = self.content if isinstance(self.content, Mapping) else vars(self.content)
        return {name: value for name, value in items.items() if isinstance(name, str) and isinstance(value, SIMPLE)}

    def holding(self, name: str, value: object) -> Any:
        """The content with another number in one place."""
        if isinstance(self.content, SIMPLE):
            return value
        if isinstance(self.content, dict):
            return {**self.content, name: value}
        changed = copy.copy(self.content)
        object.__setattr__(changed, name, value)
        return changed


def held_settings(function: Function) -> dict[str, float]:
    """Scalar roles by the names of closure variables, attributes and what stands on shelves, with their numbers."""
    owner = getattr(function, "__self__", None)
    on_shelves = {name: value for shelf in shelves(function) for name, value in shelf.numbers.items()}
    found = {**on_shelves, **_variables(function), **(vars(owner) if hasattr(owner, "__dict__") else {})}
    numbers = {
        name: value for name, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {
        role: float(number)
        for name, number in numbers.items()
        if (role := _scalar_role(name)) and abs(number) >= SMALLEST
    }


def shelves(function: Function) -> list[Shelf]:
    """The containers that a target's parameters have as defaults, and what of its module its code reads."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    defaults = [Shelf(each.name, each.default, False) for each in parameters if _is_container(each.default)]
    body, named = _body(function), mentions(function)
    globals_ = body.__globals__ if body else {}
    held = {name: value for name, value in globals_.items() if name in named and not name.startswith("__")}
    of_module = [name for name, value in held.items() if _is_container(value) or _is_constant(name, value)]
    return [*(Shelf(name, held[name], True) for name in of_module), *defaults]


def with_number(function: Function, shelf: Shelf, name: str, value: object) -> tuple[Function, dict[str, Any]]:
    """The target with another number on a shelf: the function to call, and what to pass to it."""
    content = shelf.holding(name, value)
    if not shelf.is_of_module:
        return function, {shelf.name: content}
    body = _body(function)
    assert body is not None

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        before = body.__globals__[shelf.name]
        body.__globals__[shelf.name] = content
        try:
            return function(*args, **kwargs)
        finally:
            body.__globals__[shelf.name] = before

    return called, {}


def mentions(function: Function) -> frozenset[str]:
    """The names and keys that a target's code speaks of, with that of the functions of its module which it calls."""
    body = _body(function)
    pending, seen = ([body.__code__] if body else []), set[types.CodeType]()
    while pending:
        code = pending.pop()
        if code in seen:
            continue
        seen.add(code)
        pending += _called_by(code, body.__globals__ if body else {})
    return frozenset(name for code in seen for name in (*code.co_names, *code.co_consts) if isinstance(name, str))


def _called_by(code: types.CodeType, globals_: Mapping[str, Any]) -> Iterator[types.CodeType]:
    yield from (const for const in code.co_consts if isinstance(const, types.CodeType))
    for name in code.co_names:
        value = globals_.get(name)
        if inspect.isfunction(value) and value.__globals__ is globals_:
            yield value.__code__


def _body(function: Any) -> types.FunctionType | None:
    """The Python function behind methods and partials."""
    while not inspect.isfunction(function):
        inner = getattr(function, "__func__", None) or getattr(function, "func", None)
        if inner is None:
            return None
        function = inner
    body: types.FunctionType = inspect.unwrap(function)
    return body


def _is_container(value: object) -> bool:
    """Whether it is a dict, or a plain object that holds numbers; nothing that is called, and no class."""
    if isinstance(value, dict):
        return True
    plain = hasattr(value, "__dict__") and not callable(value) and not isinstance(value, types.ModuleType)
    return plain and (dataclasses.is_dataclass(value) or any(isinstance(each, SIMPLE) for each in vars(value).values()))


def _is_constant(name: str, value: object) -> bool:
    return isinstance(value, SIMPLE) and name.isupper()


def _scalar_role(name: str) -> str | None:
    role = role_of(name)
    return role if role is not None and is_scalar(role) else None


def _variables(function: Function) -> Mapping[str, Any]:
    inner = getattr(function, "__func__", function)
    return inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
