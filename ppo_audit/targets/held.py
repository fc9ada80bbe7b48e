"""Settings that a target holds and no call passes: variables of a closure, attributes of the object of a method."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ppo_audit.targets.names import is_scalar, role_of

SMALLEST = 1e-5
"""A held number below it is a guard against division by zero, whatever its name."""


def held_settings(function: Callable[..., Any]) -> dict[str, float]:
    """Scalar roles by the names of closure variables and attributes, with the numbers they hold."""
    owner = getattr(function, "__self__", None)
    found = {**_variables(function), **(vars(owner) if hasattr(owner, "__dict__") else {})}
    numbers = {
        name: value for name, value in found.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return {
        role: float(number)
        for name, number in numbers.items()
        if (role := _scalar_role(name)) and abs(number) >= SMALLEST
    }


def _scalar_role(name: str) -> str | None:
    role = role_of(name)
    return role if role is not None and is_scalar(role) else None


def _variables(function: Callable[..., Any]) -> Mapping[str, Any]:
    inner = getattr(function, "__func__", function)
    return inspect.getclosurevars(inner).nonlocals if inspect.isfunction(inner) else {}
