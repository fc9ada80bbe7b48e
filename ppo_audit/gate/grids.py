"""Numbers of designed batches in closed form: the same under every version of torch and numpy, without a generator."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy
import torch

from ppo_audit.subjects.batch import CHOICES, Batch, Layout

STEPS = dict(
    zip(
        "old_log_prob log_prob ref_log_prob advantage old_value value return_ entropy logits old_logits mean old_mean "
        "ref_mean log_std old_log_std ref_log_std std old_std action reward beyond".split(),
        (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73),
        strict=True,
    )
)
"""A prime a role: multiples of the square roots of primes fill the unit interval evenly and are not correlated."""


def spread(role: str, shape: tuple[int, ...], scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    """Numbers of unit variance for a role, scaled and shifted."""
    index = numpy.arange(1, math.prod(shape) + 1, dtype=numpy.float64)
    unit = numpy.round(index * math.sqrt(STEPS[role]) % 1.0, 9)
    return torch.from_numpy(shift + scale * math.sqrt(3) * (2 * unit - 1)).reshape(shape)


def ordinary(layout: Layout, roles: Collection[str], rows: int) -> Batch:
    """An ordinary batch in float64: log-ratios within the clip, advantages of both signs, values near their targets."""
    draw = lambda role, scale=1.0, shift=0.0: spread(role, layout.shape(role, rows), scale, shift)
    near = lambda role, base, scale: base + draw(role, scale) if base.shape == layout.shape(role, rows) else draw(role)
    old_log_prob, old_value = draw("old_log_prob", 0.3, -1.5), draw("old_value")
    makers: dict[str, torch.Tensor] = {
        "old_log_prob": old_log_prob,
        "log_prob": near("log_prob", old_log_prob, 0.05),
        "ref_log_prob": near("ref_log_prob", old_log_prob, 0.05),
        "old_value": old_value,
        "value": near("value", old_value, 0.1),
        "entropy": draw("entropy", 0.1, 1.2),
        "mask": layout.mask(torch.ones(layout.shape("mask", rows), dtype=torch.float64)),
        "group": torch.arange(rows) // 4,
        "action": _actions(layout, rows),
    }
    makers |= {role: draw(role) for role in ("advantage", "return_", "reward", "logits", "old_logits")}
    makers |= {role: draw(role, 0.3) for role in ("mean", "old_mean", "ref_mean")}
    makers |= {role: draw(role, 0.05) for role in ("log_std", "old_log_std", "ref_log_std")}
    makers |= {role: 1 + draw(role, 0.05) for role in ("std", "old_std")}
    return {role: makers[role] for role in sorted(makers) if role in roles}


def _actions(layout: Layout, rows: int) -> torch.Tensor:
    shape = layout.shape("action", rows)
    if layout.is_categorical:
        return (torch.arange(math.prod(shape)) * 3 + 1).remainder(CHOICES).reshape(shape)
    return spread("action", shape, 0.5)


def product(*columns: Collection[float]) -> tuple[torch.Tensor, ...]:
    """All combinations of the columns' numbers, one tensor a column."""
    grids = torch.meshgrid(*(torch.tensor(list(c), dtype=torch.float64) for c in columns), indexing="ij")
    return tuple(grid.reshape(-1).clone() for grid in grids)
