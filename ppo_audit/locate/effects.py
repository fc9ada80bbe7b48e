"""What an edit does to a loss, on two batches: edits that do the same are told from those that do something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ppo_audit.errors import NotApplicable, TargetRaised
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject, gradient_of

ROWS = 8
TOLERANCE = 1e-10
"""Finer than any guard of a denominator, coarser than rounding in float64."""


def probes(subject: Subject) -> tuple[Batch, Batch]:
    """Rows on both sides of every clip, given to the roles; and a whole batch, with padding, as a caller gives it."""
    rows = subject.capacity or ROWS
    wide = subject.rows(rows, subject.seed + 1)
    turns = torch.linspace(-1.0, 1.0, rows, dtype=torch.float64)
    for role, old in (("log_prob", "old_log_prob"), ("value", "old_value")):
        if isinstance(base := wide.get(old), torch.Tensor) and isinstance(wide.get(role), torch.Tensor):
            wide[role] = base + turns.reshape(-1, *([1] * (base.dim() - 1)))
    return wide, subject.direct.batch(seed=1, ragged=True)


def effects(subject: Subject, batches: tuple[Batch, Batch]) -> Iterator[torch.Tensor]:
    """The loss and every gradient, probe by probe: whoever compares stops at the first that differs."""
    wide, whole = batches
    for run in (lambda: subject.run(wide), lambda: subject.direct.subject.run(whole)):
        yield from _effect(run())


def alike(cured: Sequence[torch.Tensor], other: Iterator[torch.Tensor]) -> bool:
    """Whether another effect is equal to rounding; not where it cannot be had."""
    try:
        return all(_equal(one, two) for one, two in zip(cured, other, strict=True))
    except FAILURES:
        return False


FAILURES = (NotApplicable, TargetRaised, RuntimeError, ArithmeticError, TypeError, ValueError, KeyError, IndexError)
"""What an edit may lead to: it may break the target in any way."""


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    return torch.allclose(first, second, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def _effect(run: Run) -> Iterator[torch.Tensor]:
    yield run.loss.detach().double()
    for _, leaf in sorted(run.leaves.items()):
        if leaf.requires_grad:
            yield gradient_of(run.loss, leaf).double()
