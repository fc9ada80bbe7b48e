"""Controllers that follow a measured KL: of the penalty's coefficient, or of a learning rate or clip range.

A function is asked again with what it returned; an object is copied before each course, so that its state starts anew.
What it adapts is read from the name (`kl_coef` should rise with the KL, `lr` fall), never from what it does.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import math
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from ppo_audit.errors import NotApplicable, TargetRaised
from ppo_audit.helpers.alone import Alone
from ppo_audit.settings import Settings
from ppo_audit.targets.helper_names import CONTROLLED, CONTROLLER, controller_role, name_of, parameters_of

STEPS = 60
SMALL = 1e-12
USUAL = {"kl_coef": 0.2, "step_size": 1e-3, "clip_range": 0.2, "kl_target": 0.05, "steps": 100, "horizon": 1000}
"""What a parameter without a default gets; a coefficient and a step size in the middle of the bounds that are usual."""
SEARCHED = tuple(10 ** (power / 4) for power in range(-20, 13))
"""KLs among which a target that is written into the function is looked for."""


@dataclass(frozen=True)
class Controller(Alone):
    """A controller. `adapts` is `kl_coef`, `step_size` or `clip_range`; `kl_target` is None where it is to be found."""

    adapts: str
    kl_target: float | None
    form: Callable[[float], Any] = float
    kind: str = "kl"

    @property
    def remembers(self) -> bool:
        """Whether the quantity is held by an object or an optimizer, rather than given anew each time."""
        return self.adapts not in self.available

    @property
    def should_rise(self) -> bool:
        """Whether a KL above its target should make the quantity larger: a penalty's coefficient, but no step."""
        return self.adapts == "kl_coef"

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        return next((f"the helper is a controller, without `{name}`" for name in names if name != "controller"), None)

    def card(self) -> dict[str, object]:
        """What it is and what it aims at."""
        aim = f"{self.aim:.3g}" if self.aim is not None else "not found"
        what = "KL coefficient" if self.should_rise else "learning rate or clip range"
        return {"controller": f"of the {what}", "kl_target": aim}

    def trial(self, function: Callable[..., Any]) -> Controller:
        """The controller with its source edited."""
        return replace(self, function=function)

    @functools.cached_property
    def aim(self) -> float | None:
        """The KL that is aimed at: given, or where what it does turns round; None where it never does."""
        if self.kl_target is not None:
            return self.kl_target
        moves = [(kl, self.tendency(kl, 3)) for kl in SEARCHED]
        moving = [(kl, move) for kl, move in moves if move]
        turns = [math.sqrt(a * b) for (a, up), (b, down) in itertools.pairwise(moving) if up * down < 0]
        return turns[0] if turns else None

    def tendency(self, kl: float, steps: int = STEPS) -> int:
        """The direction of the last change, 0 without one: a mean over updates needs some to come where the KL is."""
        course = self.course(kl, steps)
        changes = [later - before for before, later in itertools.pairwise(course)]
        last = next((change for change in reversed(changes) if abs(change) > SMALL * abs(course[0])), 0.0)
        return (last > 0) - (last < 0)

    def course(self, kl: float, steps: int = STEPS) -> list[float]:
        """The quantity before and after each of so many measurements of the same KL."""
        with self.measuring(1, steps):
            try:
                return self._course(kl, steps)
            except OverflowError:
                return [1.0, math.inf]

    def _course(self, kl: float, steps: int) -> list[float]:
        function, stores = fresh(self.function), {"optimizer": an_optimizer()}
        now = {**USUAL, "kl": self.form(kl), "kl_target": self.kl_target or USUAL["kl_target"]}
        course = [self._held(function, stores) if self.remembers else now[self.adapts]]
        for _ in range(steps):
            arguments = {n: stores.get(role, now.get(role)) for n, role in self.parameters.items()} | {**self.values}
            returned = function(**arguments)
            value = number(returned)
            course.append(self._held(function, stores) if value is None else value)
            now[self.adapts] = course[-1]
        return course

    def _held(self, function: Callable[..., Any], stores: Mapping[str, Any]) -> float:
        """The quantity as object or optimizer hold it."""
        owner = getattr(function, "__self__", None)
        if owner is not None:
            for name in CONTROLLED[self.adapts]:
                if (value := number(getattr(owner, name, None))) is not None:
                    return value
        optimizer = getattr(owner, "optimizer", None) or stores["optimizer"]
        return float(optimizer.param_groups[0]["lr"])


def number(value: Any) -> float | None:
    """A number, whatever holds it; None where there is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if getattr(value, "ndim", None) == 0 else None


def fresh(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or the method of a copy of its object."""
    owner = getattr(function, "__self__", None)
    if not isinstance(function, types.MethodType) or owner is None:
        return function
    return types.MethodType(function.__func__, copy.deepcopy(owner))


def an_optimizer() -> torch.optim.Optimizer:
    """An optimizer with one learning rate, for controllers that write it there."""
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=USUAL["step_size"])


def controller_helper(target: str, found: Any, settings: Settings) -> Controller | None:
    """What a spec names, as a controller; None where it is none."""
    overrides, values = {name: role for role, name in settings.roles}, dict(settings.values)
    method = update_method(found, values)
    function = method or found
    if not (inspect.ismethod(function) or inspect.isfunction(function)) or hasattr(found, "forward"):
        return None
    names = parameters_of(function)
    roles = {name: overrides.get(name) or controller_role(name) for name in names}
    given = {n: r for n, r in roles.items() if r and n not in values and (r not in FIXED or needs_value(names[n]))}
    free = [n for n, p in names.items() if n not in given and n not in values and p.default is p.empty]
    adapted = adapts(function, given)
    if free or "kl" not in given.values() or adapted is None or not says_so(function, roles):
        return None
    known = {name: value for name, value in values.items() if name in names}
    aim = aim_of(function, roles, known)
    forms = [Controller(target, function, given, adapted, aim, form, values=known) for form in (float, torch.tensor)]
    return next(filter(is_controller, forms), None)


FIXED = frozenset(("kl_target", "horizon", "steps"))
"""Parameters whose default is the better choice."""


def needs_value(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty


def is_controller(controller: Controller) -> bool:
    """It gives a number near the one before where the KL is on target, which no penalty does."""
    try:
        before, after = controller.course(controller.kl_target or USUAL["kl_target"], 1)
    except (NotApplicable, TargetRaised, TypeError, ValueError, AttributeError):
        return False
    return before != 0 and 0.2 < after / before < 5


def says_so(function: Callable[..., Any], roles: Mapping[str, str | None]) -> bool:
    """A target among the parameters, or a name that speaks of adapting, tell it from a penalty."""
    held = vars(getattr(function, "__self__", None) or types.SimpleNamespace())
    has_target = "kl_target" in (*roles.values(), *map(controller_role, held))
    return has_target or bool(CONTROLLER.search(name_of(function)))


def adapts(function: Callable[..., Any], roles: Mapping[str, str]) -> str | None:
    """Whether a penalty's coefficient or a step size is adapted."""
    owner = getattr(function, "__self__", None)
    for quantity in CONTROLLED:
        if quantity in roles.values():
            return quantity
    if "optimizer" in roles.values() or hasattr(owner, "optimizer"):
        return "step_size"
    held = (quantity for quantity, names in CONTROLLED.items() for name in names if hasattr(owner, name))
    return next(held, None) if owner is not None else None


def aim_of(function: Callable[..., Any], roles: Mapping[str, str | None], values: Mapping[str, Any]) -> float | None:
    """The target as set, as default, as the object holds it, or as it will be given."""
    name = next((name for name, role in roles.items() if role == "kl_target"), None)
    if name is not None:
        default = parameters_of(function)[name].default
        return number(values.get(name)) or number(default) or USUAL["kl_target"]
    held = vars(getattr(function, "__self__", None) or types.SimpleNamespace())
    found = (number(value) for key, value in held.items() if controller_role(key) == "kl_target")
    return next(filter(None, found), None)


def update_method(found: Any, values: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The method by which an object learns of the KL; a class is built with usual values."""
    owner, name = found, None
    if inspect.isfunction(found) and next(iter(parameters_of(found)), None) == "self" and "." in found.__qualname__:
        path, _, name = found.__qualname__.rpartition(".")
        owner = functools.reduce(getattr, path.split("."), sys.modules[found.__module__]) if "<" not in path else None
    elif inspect.isroutine(found):
        return None
    candidates = [name] if name else ["update", "step", "update_kl_coef", "adapt", "__call__"]
    cls = owner if inspect.isclass(owner) else type(owner)
    method = next((m for m in candidates if m and has_kl(getattr(cls, m, None))), None)
    if method is None:
        return None
    built = instance(owner, values) if inspect.isclass(owner) else owner
    return getattr(built, method) if built is not None else None


def has_kl(method: Any) -> bool:
    return inspect.isfunction(method) and any(controller_role(name) == "kl" for name in parameters_of(method))


def instance(cls: type, values: Mapping[str, Any]) -> Any:
    """An object with usual values for what has no default; None where something else is asked for."""
    arguments: dict[str, Any] = {}
    for name, parameter in parameters_of(cls).items():
        role = controller_role(name)
        if name in values:
            arguments[name] = values[name]
        elif needs_value(parameter) and role == "optimizer":
            arguments[name] = an_optimizer()
        elif needs_value(parameter) and role in USUAL:
            arguments[name] = USUAL[role]
    try:
        return cls(**arguments)
    except Exception:
        return None
