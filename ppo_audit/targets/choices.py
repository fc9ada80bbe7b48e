"""Parameters that take one of a few named values, by their annotation: an `Enum` or a `Literal` without a default.

Each combination is a variant of the target, since callers use them all.
"""

from __future__ import annotations

import enum
import inspect
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from ppo_audit.targets.calling import fields_of, hints_of, is_record

MOST = 12
"""Combinations that are judged."""
Choice = Mapping[str, Any]


def choices_of(function: Callable[..., Any], given: Collection[str]) -> list[Choice]:
    """The combinations of named values for the parameters that need one; `given` are those that the user sets."""
    offered = {name: found for name, hint in _needed(function) if name not in given and (found := _members(hint))}
    combined = itertools.product(*offered.values())
    return [dict(zip(offered, each, strict=True)) for each in itertools.islice(combined, MOST)] if offered else []


def name_of(choice: Choice) -> str:
    """The name of the variant."""
    return ", ".join(
        f"{name}={value.name if isinstance(value, enum.Enum) else value}" for name, value in choice.items()
    )


def _needed(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Parameters without a default, and such fields of those that are records, with their annotations."""
    hints = hints_of(function)
    for parameter in inspect.signature(function).parameters.values():
        hint: Any = hints.get(parameter.name)
        if is_record(hint):
            inner = hints_of(hint)
            yield from ((n, inner.get(n)) for n, default in fields_of(hint) if default is inspect.Parameter.empty)
        elif parameter.default is inspect.Parameter.empty:
            yield parameter.name, hint


def _members(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return tuple(hint)
    return get_args(hint) if get_origin(hint) is Literal else ()
