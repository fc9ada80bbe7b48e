"""Batches with more padding, and where a loss first sees it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ppo_audit.findings import Location
from ppo_audit.probes.places import place_of, reads, recorded
from ppo_audit.recording.graph import backward_slice, operands, plain
from ppo_audit.recording.parting import QUOTIENTS, parting
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.names import says_kept


@dataclass(frozen=True)
class TurnedMask:
    """A mask whose name says the opposite of what the loss makes of it, and where it is turned round or first used."""

    name: str
    place: Location | None


def turned_mask(subject: Subject) -> TurnedMask | None:
    """The mask, where the loss counts what it leaves out by its name."""
    name = subject.roles.get("mask", "").strip("`")
    if subject.capacity is not None or subject.layout.mask_keeps or not says_kept(name):
        return None
    run = recorded(subject)
    ops, roles = backward_slice(run.trace, [run.total]), subject.roles_of(run)
    users = [op for op in ops if run.numbers["mask"] in op.inputs]
    turns = [op for op in ops if plain(op.name) in COMPLEMENTS and roles.get(op.outputs[0]) == frozenset(("mask",))]
    return TurnedMask(name, place_of(next(iter(turns or users), None)))


COMPLEMENTS = ("rsub", "logical_not", "bitwise_not", "invert")


def lengthened(batch: Batch, masked: torch.Tensor, more: int) -> Batch:
    """The batch with `more` masked tokens at the end of every sequence; they hold ordinary numbers."""
    tokens = masked.shape[1]

    def longer(role: str, value: torch.Tensor | float) -> torch.Tensor | float:
        if not isinstance(value, torch.Tensor) or value.dim() < 2 or value.shape[1] != tokens:
            return value
        return torch.cat([value, _padding(role, value, masked, more)], dim=1)

    return {role: longer(role, value) for role, value in batch.items()}


def _padding(role: str, value: torch.Tensor, masked: torch.Tensor, more: int) -> torch.Tensor:
    """Entries for the new places: those of a masked place for the mask, copies of the first ones for the rest."""
    if role != "mask":
        return value[:, :more]
    row, column = masked.nonzero()[0].tolist()
    return value[row, column].expand(len(value), more)


def with_empty_rows(batch: Batch, masked: torch.Tensor) -> Batch:
    """The batch with one sequence more, all of whose tokens are masked."""
    row, column = masked.nonzero()[0].tolist()

    def more(role: str, value: torch.Tensor | float) -> torch.Tensor | float:
        if not isinstance(value, torch.Tensor):
            return value
        fresh = value[row, column].expand_as(value[:1]) if role == "mask" else value[:1]
        return torch.cat([value, fresh])

    return {role: more(role, value) for role, value in batch.items()}


def longer_parting(subject: Subject, first: Run, second: Run, tokens: int) -> Location | None:
    """Where two runs that differ in padding come apart: the operation, or the read of a size that it divides by."""
    op = parting(
        first.trace, second.trace, (first.total, second.total), lambda one, two: _corresponds(one, two, tokens)
    )
    if op is not None and plain(op.name) in QUOTIENTS and None in operands(op)[:2]:
        sizes = list(reads(first, subject, frozenset(("mask",))))
        return sizes[-1] if sizes else place_of(op)
    return place_of(op)


def _corresponds(one: torch.Tensor, two: torch.Tensor, tokens: int) -> bool:
    """Whether the longer one begins as the shorter one; what stands at new places does not count."""
    if one.dim() > 1 and two.dim() == one.dim() and one.shape[1] == tokens and two.shape[1] > tokens:
        two = two[:, :tokens]
    return one.shape == two.shape and torch.allclose(one.double(), two.double(), rtol=1e-9, equal_nan=True)
