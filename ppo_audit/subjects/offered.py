"""Modes of a loss that are offered and off: a value clip, a normalisation of advantages. Each is judged as a variant.

Nobody calls them today; whoever turns the switch relies on them.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ppo_audit.targets.held import mentions, shelves, with_number
from ppo_audit.targets.names import DEFAULT_VALUES, role_of

NORMALISES = re.compile(r"norm|whiten|standardi[sz]e|scale_adv")
OTHER_NORMS = re.compile(r"grad|obs|state|val|ret|rew|layer|batch|entropy|kl|log|len|ratio|max")
"""What else is normalised in a trainer, or is a norm."""
Function = Callable[..., Any]


@dataclass(frozen=True)
class Mode:
    """A variant: its name, the function to call, and what to set beside what the user sets."""

    name: str
    function: Function
    values: Mapping[str, Any] = field(default_factory=dict)


def offered_modes(function: Function, values: Mapping[str, Any]) -> Iterator[Mode]:
    """What is off as the target stands, and not set by the user, with the switch turned on."""
    radius = DEFAULT_VALUES["clip_range_value"]
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.default is None and role_of(name) == "clip_range_value" and name not in values:
            yield Mode(f"{name}={radius}", function, {name: radius})
        if parameter.default is False and normalises(name) and name not in values:
            yield Mode(f"{name}=True", function, {name: True})
    yield from _on_shelves(function, values)
    yield from _of_the_owner(function)


def normalises(name: str) -> bool:
    """Whether a switch of this name normalises advantages."""
    return bool(NORMALISES.search(name.lower())) and not OTHER_NORMS.search(name.lower())


def _on_shelves(function: Function, values: Mapping[str, Any]) -> Iterator[Mode]:
    named = mentions(function)
    for shelf in shelves(function):
        off = [name for name, number in shelf.numbers.items() if number is False and name in named]
        for name in (each for each in off if normalises(each) and shelf.name not in values):
            changed, passed = with_number(function, shelf, name, True)
            yield Mode(f"{name}=True", changed, passed)


def _of_the_owner(function: Function) -> Iterator[Mode]:
    """Switches of the object whose method is called."""
    owner = getattr(function, "__self__", None)
    for name in [name for name, value in getattr(owner, "__dict__", {}).items() if value is False and normalises(name)]:
        other = copy.copy(owner)
        setattr(other, name, True)
        yield Mode(f"{name}=True", getattr(other, function.__name__))
