"""The input on which two implementations differ most, climbed to from the designed cases and shrunk to a few digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.gate.cases import Case
from ppo_audit.gate.compare import Move, between
from ppo_audit.gate.gauge import Gauge
from ppo_audit.gate.losses import LossGauge

FACTORS = (2.0, -1.0, 0.5)
MOST_CLIMBS, MOST_TRIALS = 3, 400


@dataclass(frozen=True)
class Counterexample:
    """The smallest batch found on which the two differ, by role, and the number that differs most there."""

    batch: Mapping[str, Any]
    move: Move
    trials: int


def counterexample(before: Gauge, after: Gauge, case: Case) -> Counterexample | None:
    """Climb from a case that differs, then drop rows and digits for as long as the difference stays; losses only."""
    if not isinstance(before, LossGauge) or not isinstance(after, LossGauge) or before.design.capacity is not None:
        return None
    hunt = _Hunt(before, after, case)
    batch = dict(case.batch)
    worst = hunt.difference(batch)
    if worst is None:
        return None
    batch, worst = _climbed(hunt, batch, worst)
    batch = _fewer_rows(hunt, batch)
    batch = _fewer_digits(hunt, batch)
    smallest = hunt.difference(batch)
    assert smallest is not None
    return Counterexample(batch, smallest, hunt.trials)


@dataclass
class _Hunt:
    """Counts the trials, so that a slow target ends the search."""

    before: Gauge
    after: Gauge
    case: Case
    trials: int = 0

    def difference(self, batch: Mapping[str, Any]) -> Move | None:
        """The largest difference on a batch; None where there is none, or the search is over."""
        self.trials += 1
        if self.trials > MOST_TRIALS:
            return None
        case = dataclasses.replace(self.case, batch=batch, labels={})
        found = between(self.before.read(case), self.after.read(case), {})
        return max(found, key=lambda move: move.error, default=None)


def _climbed(hunt: _Hunt, batch: dict[str, Any], worst: Move) -> tuple[dict[str, Any], Move]:
    """Scale one role at a time while that makes the difference larger."""
    for _ in range(MOST_CLIMBS):
        best, reached = batch, worst
        for role in _floating(batch):
            for factor in FACTORS if role not in ("std", "old_std") else FACTORS[::2]:
                trial = batch | {role: batch[role] * factor}
                found = hunt.difference(trial)
                if found is not None and reached.error < found.error < float("inf"):
                    best, reached = trial, found
        if best is batch:
            break
        batch, worst = best, reached
    return batch, worst


def _fewer_rows(hunt: _Hunt, batch: dict[str, Any]) -> dict[str, Any]:
    """Drop halves, then single rows, while a difference stays."""
    size = max(_rows(batch) // 2, 1)
    while size >= 1:
        start = 0
        while start < _rows(batch) and _rows(batch) > size:
            kept = [row for row in range(_rows(batch)) if not start <= row < start + size]
            trial = {role: value[kept] for role, value in batch.items()}
            if hunt.difference(trial) is not None:
                batch = trial
            else:
                start += size
        size //= 2
    return batch


def _fewer_digits(hunt: _Hunt, batch: dict[str, Any]) -> dict[str, Any]:
    """Write each role with as few significant digits as keep a difference; none at all where nought will do."""
    for role in _floating(batch):
        value = batch[role]
        for rounded in (torch.zeros_like(value), *(_rounded(value, digits) for digits in (1, 2, 3, 4))):
            trial = batch | {role: rounded}
            if (role not in ("std", "old_std") or bool((rounded > 0).all())) and hunt.difference(trial) is not None:
                batch = trial
                break
    return batch


def _rounded(values: torch.Tensor, digits: int) -> torch.Tensor:
    return torch.tensor([float(f"{v:.{digits}g}") for v in values.reshape(-1).tolist()], dtype=values.dtype).reshape(
        values.shape
    )


def _floating(batch: Mapping[str, Any]) -> list[str]:
    return [
        r for r, v in sorted(batch.items()) if isinstance(v, torch.Tensor) and v.is_floating_point() and r != "mask"
    ]


def _rows(batch: Mapping[str, Any]) -> int:
    return max(len(value) for value in batch.values())
