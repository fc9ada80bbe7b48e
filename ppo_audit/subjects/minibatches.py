"""The minibatches of one loss: the program of the first must give the loss of every other one on its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ppo_audit.errors import UsageError
from ppo_audit.subjects.replayed import Program, replay

Place = tuple[object, ...]
"""One operand of one operation, the same in every minibatch that takes the same path."""


def agreed(spec: str, programs: Sequence[Program]) -> list[Program]:
    """One program for each set of roles, which the later minibatches confirm; raises UsageError where one does not.

    A minibatch whose entries all count shows no mask: it stands for the others of its loss, and is no other loss.
    """
    firsts: dict[frozenset[str], Program] = {}
    for program in programs:
        first = firsts.setdefault(frozenset(program.boundary.numbers), program)
        _cross_check(spec, first, program, program.recorded())
    for roles, program in list(firsts.items()):
        masked = firsts.get(roles | {"mask"})
        if masked is not None and masked is not program:
            keep = torch.full_like(masked.recorded()["mask"], masked.mask_keeps)
            _cross_check(spec, masked, program, program.recorded() | {"mask": keep})
            del firsts[roles]
    return list(firsts.values())


def _cross_check(spec: str, first: Program, later: Program, values: Mapping[str, torch.Tensor]) -> None:
    """The first program on a later minibatch's values must give that minibatch's loss: nothing was baked in."""
    if first is later:
        return
    mine = first.recorded()
    if {role: value.shape for role, value in values.items()} != {role: value.shape for role, value in mine.items()}:
        return
    got = _replayed(first, later, values)
    if not torch.equal(got, later.loss.detach()) and not _agrees_further_in(first, later):
        raise UsageError(
            f"`{spec}` was recorded, but its loss depends on more than the recorded roles: replayed on a later "
            f"minibatch it gives {got.item():.9g} where the trainer had {later.loss.item():.9g}. It is declined "
            f"rather than audited wrongly."
        )


def _replayed(program: Program, other: Program, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return replay(_with_scalars_of(program, other), values, other.loss.dtype, {}, {}).loss.detach()


def _agrees_further_in(first: Program, later: Program) -> bool:
    """Whether one of the two is the end of the other: what came before it was no longer recorded for a later epoch.

    Advantages that are normalised once are a role before that for the first minibatches, and after it for others.
    """
    short, long = sorted((first, later), key=lambda program: len(program.ops))
    values = _values_at(long, short)
    return values is not None and torch.equal(_replayed(short, long, values), long.loss.detach())


def _values_at(program: Program, inner: Program) -> dict[str, torch.Tensor] | None:
    """What a program has where the boundary of another one is, by the operands that its roles are."""
    numbers = _numbers(program)
    places = {number: place for place, number in reversed(_numbers(inner).items())}
    found = {role: numbers.get(places.get(first, ())) for role, (first, *_) in inner.boundary.numbers.items()}
    known = {role: program.trace.tensors[number].detach() for role, number in found.items() if number is not None}
    return known if known.keys() == found.keys() else None


def _with_scalars_of(first: Program, later: Program) -> Program:
    """The first program with the single numbers of a later minibatch, such as a count of tokens to divide by."""
    theirs = _constant_operands(later)
    fresh = {number: theirs[place] for place, number in _numbers(first).items() if place in theirs}
    taken = {number for numbers in first.boundary.numbers.values() for number in numbers}
    single = {n: x for n, x in fresh.items() if n in first.constants and n not in taken and _is_single(first, n, x)}
    return replace(first, constants={**first.constants, **single})


def _is_single(program: Program, number: int, other: torch.Tensor) -> bool:
    return program.constants[number].numel() == 1 and program.constants[number].shape == other.shape


def _constant_operands(program: Program) -> dict[Place, torch.Tensor]:
    numbers = _numbers(program)
    return {place: program.constants[number] for place, number in numbers.items() if number in program.constants}


def _numbers(program: Program) -> dict[Place, int]:
    """The value number of every operand."""
    seen: Counter[Place] = Counter()
    found: dict[Place, int] = {}
    for op in program.ops:
        call = op.key[:4]
        found.update(((*call, seen[call], position), number) for position, number in enumerate(op.inputs))
        seen[call] += 1
    return found
