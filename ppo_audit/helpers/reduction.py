"""Masked means and sums: functions of numbers and a mask that weigh the numbers, whatever these are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable
from ppo_audit.settings import Settings
from ppo_audit.subjects.called import called_subject
from ppo_audit.subjects.run import modes_kept
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.helper_names import AXIS, REDUCER, name_of, parameters_of
from ppo_audit.targets.names import CONTAINER, MODEL, is_scalar, role_of

SHAPE = (3, 4)
MASKS = (torch.float64, torch.bool)


def reduction_settings(function: Callable[..., Any], settings: Settings) -> Settings | None:
    """The settings under which a masked reduction is a loss of its numbers; None where the function is none.

    An axis without a default is the last one: the function then reduces each sequence.
    """
    overrides = {name: role for role, name in settings.roles}
    names = parameters_of(function)
    given: dict[str, Any] = {
        name: -1 for name in names if AXIS.match(name) and names[name].default is names[name].empty
    }
    given |= dict(settings.values)
    free = [n for n, p in names.items() if p.default is p.empty and n not in given]
    roles = {name: overrides.get(name) or role_of(name) for name in free}
    numbers = [name for name, role in roles.items() if role != "mask"]
    if len(free) != 2 or len(numbers) != 1 or not _are_numbers(numbers[0], roles[numbers[0]], function):
        return None
    mask = next(name for name in free if name not in numbers)
    if not any(_is_linear(function, numbers[0], mask, given, dtype) for dtype in MASKS):
        return None
    kept = tuple((role, name) for role, name in settings.roles if name not in free)
    return dataclasses.replace(
        settings, roles=(*kept, ("value", numbers[0]), ("mask", mask)), values=tuple(given.items())
    )


def reduction_helper(spec: str, function: Callable[..., Any], settings: Settings) -> Subject | None:
    """The function as a reduction of its numbers; None where it is none."""
    chosen = reduction_settings(function, settings)
    if chosen is None:
        return None
    subject = dataclasses.replace(called_subject(spec, function, chosen), kind="reduction")
    of_rows = dataclasses.replace(subject.layout, tails={**subject.layout.tails, "mask": ()})
    with_rows = dataclasses.replace(subject, layout=of_rows)
    return with_rows if not _gives_one(subject) and _gives_one(with_rows) else subject


def _gives_one(subject: Subject) -> bool:
    """Whether ones are one after the reduction, on sequences of several tokens."""
    tokens = subject.direct.in_tokens(SHAPE[1])
    batch = tokens.rows(SHAPE[0], value=torch.ones(SHAPE[0], dtype=torch.float64))
    try:
        return abs(float(tokens.run(batch).loss) - 1) < 1e-6
    except NotApplicable:
        return False


def _are_numbers(name: str, role: str | None, function: Callable[..., Any]) -> bool:
    """Whether a parameter may hold any numbers: its name says nothing, or the function speaks of reducing."""
    if CONTAINER.match(name) or MODEL.match(name) or (role is not None and is_scalar(role)):
        return False
    return role in (None, "value") or bool(REDUCER.search(name_of(function)))


def _is_linear(
    function: Callable[..., Any], numbers: str, mask: str, given: dict[str, Any], dtype: torch.dtype
) -> bool:
    """Whether the result is smaller than its input, and a weighted sum of it."""
    first = torch.linspace(-1.0, 1.7, 12, dtype=torch.float64).reshape(SHAPE)
    second = first.flip(0) ** 2
    keep = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]]).to(dtype)
    call = lambda tensor: function(**{numbers: tensor.clone(), mask: keep.clone()}, **given)
    try:
        with modes_kept():
            one, two, both = call(first), call(second), call(first + 2 * second)
    except RAISED_BY_A_TARGET:
        return False
    if not isinstance(one, torch.Tensor) or one.numel() not in (1, *SHAPE) or one.dtype != torch.float64:
        return False
    return bool(torch.allclose(one + 2 * two, both, rtol=1e-9, atol=1e-12))
