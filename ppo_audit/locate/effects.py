"""What an edit does to a loss, on two batches: edits that do the same are told from those that do something else."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ppo_audit.errors import NotApplicable, TargetRaised
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject, gradient_of

ROWS = 8
TOLERANCE = 1e-10
"""Finer than any guard of a denominator, coarser than rounding in float64."""

Effect = tuple[torch.Tensor, ...]


def probes(subject: Subject) -> tuple[Batch, Batch]:
    """Rows on both sides of every clip, given to the roles; and a whole batch, with padding, as a caller gives it."""
    rows = subject.capacity or ROWS
    wide = subject.rows(rows, subject.seed + 1)
    turns = torch.linspace(-1.0, 1.0, rows, dtype=torch.float64)
    for role, old in (("log_prob", "old_log_prob"), ("value", "old_value")):
        if isinstance(base := wide.get(old), torch.Tensor) and isinstance(wide.get(role), torch.Tensor):
            wide[role] = base + turns.reshape(-1, *([1] * (base.dim() - 1)))
    return wide, subject.direct.batch(seed=1, ragged=True)


def effects(subject: Subject, batches: Sequence[Batch]) -> tuple[Effect, Effect] | None:
    """The loss and every gradient on both probes; None where the subject fails on one."""
    try:
        wide, whole = batches
        return _effect(subject.run(wide)), _effect(subject.direct.subject.run(whole))
    except (NotApplicable, TargetRaised, RuntimeError, ArithmeticError, TypeError, ValueError, KeyError, IndexError):
        return None


def alike(first: tuple[Effect, Effect] | None, second: tuple[Effect, Effect] | None) -> bool:
    """Whether two effects are equal to rounding."""
    if first is None or second is None:
        return False
    pairs = [(a, b) for one, two in zip(first, second, strict=True) for a, b in zip(one, two, strict=True)]
    return all(torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True) for a, b in pairs)


def _effect(run: Run) -> Effect:
    live = [leaf for _, leaf in sorted(run.leaves.items()) if leaf.requires_grad]
    return (run.loss.detach().double(), *(gradient_of(run.loss, leaf).double() for leaf in live))
