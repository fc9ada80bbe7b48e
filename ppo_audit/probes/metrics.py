"""Numbers that a target returns beside its loss: which of them count samples by comparing something with the ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from ppo_audit.findings import Location
from ppo_audit.probes.places import place_of
from ppo_audit.recording.graph import NONE, backward_slice, plain
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.subject import Subject

COMPARISONS = frozenset("gt lt ge le greater less".split())
PASSING = frozenset("detach clone cpu to double float item".split())


@dataclass(frozen=True)
class Metric:
    """A returned number, and the operation that made it."""

    value: torch.Tensor
    place: Location | None


def counted(subject: Subject, log_ratio: torch.Tensor, advantage: torch.Tensor) -> dict[str, Metric]:
    """The returned scalars that come from comparing something made of log-probs, on rows with these log-ratios."""
    return _counted(subject, subject.rows(len(log_ratio), None, **subject.at(log_ratio, advantage)))


def masked_log_ratios(subject: Subject, name: str, log_ratio: float) -> Metric | None:
    """A metric where only masked entries have this log-ratio, all others none; None without a mask over tokens."""
    if "mask" not in subject.available or len(subject.direct.mask_shape) < 2:
        return None
    batch, masked = subject.direct.ragged_batch()
    old = batch["old_log_prob"]
    if not isinstance(old, torch.Tensor) or old.shape != masked.shape:
        return None
    batch["log_prob"] = old + log_ratio * masked
    return _counted(subject.direct.subject, batch).get(name)


def _counted(subject: Subject, batch: Batch) -> dict[str, Metric]:
    run = subject.run(batch)
    roles, found = subject.roles_of(run), {}
    for name, output in run.outputs.items():
        number = run.trace.find(output)
        if number is None or number == run.total or output.numel() != 1:
            continue
        ops = backward_slice(run.trace, [number], stop=run.numbers.values())
        compares = [op for op in ops if plain(op.name) in COMPARISONS and "log_prob" in roles.get(op.outputs[0], NONE)]
        if compares:
            made = [op for op in ops if plain(op.name) not in PASSING]
            found[name] = Metric(output.detach(), place_of(made[-1]))
    return found


def sides(low: float, high: float, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Ratios at a multiple of the distance to either bound, and advantages of both signs."""
    moves = torch.tensor([factor * (high - 1), factor * (low - 1)] * 6, dtype=torch.float64)
    return moves.log1p(), torch.tensor([1.0, 1.0, -1.0, -1.0] * 3, dtype=torch.float64)


def mixed(low: float, high: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-ratios and advantages of fourteen samples: some between a clip of the ratio and one of its logarithm."""
    up, down = high - 1, 1 - low
    upper = [0.5 * (math.log(high) + up)] * 3
    lower = [-0.5 * (down - math.log(low))]
    far = [
        0.0,
        0.3 * up,
        -0.3 * down,
        2.5 * up,
        3.0 * up,
        -2.2 * down - up * 0.1,
        0.1 * up,
        0.05 * up,
        2.7 * up,
        2.0 * up,
    ]
    signs = [-1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0, 1.0, 1.0]
    return torch.tensor(upper + lower + far, dtype=torch.float64), torch.tensor(signs, dtype=torch.float64)


def shares(ratio: torch.Tensor, advantage: torch.Tensor, low: float, high: float) -> dict[str, float]:
    """What a clip fraction may mean, by name."""
    above, below = ratio > high, ratio < low
    stopped = (above & (advantage > 0)) | (below & (advantage < 0))
    kinds = {"outside": above | below, "stopped": stopped, "above": above, "below": below}
    return {name: float(mask.double().mean()) for name, mask in kinds.items()}
