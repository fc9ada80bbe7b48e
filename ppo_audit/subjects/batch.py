"""Batches: one tensor per role, laid out as the target wants them.

Rules think in rows: a flat sequence of samples. A `Layout` turns rows into the shapes that a target takes, (N,),
(N, 1), (B, T) or (N, D), and gradients back into rows.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

Batch = dict[str, torch.Tensor | float]

ACTION_DIMENSIONS = 3
CHOICES = 4
QUANTILES = 20
VECTOR_ROLES = MappingProxyType(
    dict.fromkeys(
        "action mean log_std std old_mean old_log_std old_std ref_mean ref_log_std".split(), ACTION_DIMENSIONS
    )
    | dict.fromkeys(("logits", "old_logits", "ref_logits"), CHOICES)
)
SEQUENCE_ROLES = frozenset(("group",))
LOG_PROBS = ("log_prob", "old_log_prob", "ref_log_prob")


@dataclass(frozen=True)
class Layout:
    """How rows are laid out. `tail` is appended to (rows,) for every role; `tails` overrides it per role.

    `mask_keeps` tells the polarity of the target's mask; rules always write 1 for an entry that counts.
    """

    name: str = "flat"
    tail: tuple[int, ...] = ()
    tails: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    is_categorical: bool = False
    mask_dtype: torch.dtype = torch.float64
    mask_keeps: bool = True

    def single(self) -> Layout:
        """The same layout with sequences of one token, so that a row is a sample."""
        return dataclasses.replace(self, tail=(1,) * len(self.tail))

    def tokens(self, count: int) -> Layout:
        """The same layout with sequences of `count` tokens."""
        return dataclasses.replace(self, tail=(count,) * len(self.tail))

    def shape(self, role: str, rows: int) -> tuple[int, ...]:
        if role in SEQUENCE_ROLES:
            return (rows,)
        if role in self.tails:
            return (rows, *self.tails[role])
        if role == "action" and self.is_categorical:
            return (rows, *self.tail)
        if role in VECTOR_ROLES:
            return (rows, *self.tail, VECTOR_ROLES[role])
        return (rows, *self.tail)

    def lay(self, role: str, values: torch.Tensor) -> torch.Tensor:
        """Rows, (M,) or (M, K), in the shape of the role; a joint log-prob goes to the first of its dimensions."""
        shape = self.shape(role, len(values))
        if role == "mask":
            by_row = values.dim() == 1 and values.numel() < math.prod(shape)
            return self.mask(values.unsqueeze(-1).expand(shape) if by_row else values.reshape(shape))
        if values.shape == shape:
            return values
        if values.dim() == 1 and len(shape) > 1 and role in LOG_PROBS and role in self.tails:
            spread = values.new_zeros(shape)
            spread[..., 0] = values
            return spread
        return (
            values.reshape(len(values), *([1] * (len(shape) - 1))).expand(shape).clone()
            if values.dim() == 1
            else values.reshape(shape)
        )

    def mask(self, keep: torch.Tensor) -> torch.Tensor:
        """A mask in the target's polarity and dtype, from one that is 1 where an entry counts."""
        return (keep if self.mask_keeps else 1 - keep).to(self.mask_dtype)

    def gather(self, role: str, gradient: torch.Tensor) -> torch.Tensor:
        """The gradient of each row: of a joint log-prob that of its first dimension, else the sum over the row."""
        if role in LOG_PROBS and role in self.tails and gradient.dim() > 1:
            return gradient[..., 0].reshape(len(gradient), -1).sum(-1)
        return gradient.reshape(len(gradient), -1).sum(-1)


def ordinary_rows(layout: Layout, roles: Collection[str], rows: int, seed: int = 0) -> Batch:
    """An ordinary batch in float64: log-ratios within the clip, advantages of both signs, values near their targets.

    Continuous actions lie within (-1, 1), so that a squashed policy can invert them.
    """
    drawn = _remembered(layout, rows, seed) if rows <= FEW else _drawn(layout, rows, seed)
    return {role: values.clone() for role, values in drawn.items() if role in roles}


def _drawn(layout: Layout, rows: int, seed: int) -> dict[str, torch.Tensor]:
    """Every role of an ordinary batch: what one is does not depend on which others are asked for."""
    generator = torch.Generator().manual_seed(seed)

    def normal(role: str, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
        return shift + scale * torch.randn(layout.shape(role, rows), generator=generator, dtype=torch.float64)

    def near(role: str, base: torch.Tensor, scale: float) -> torch.Tensor:
        step = normal(role, scale)
        return base.reshape(step.shape) + step if base.numel() == step.numel() else step

    old_log_prob = normal("old_log_prob", 0.3, -1.5)
    old_value = normal("old_value")
    return {
        "old_log_prob": old_log_prob,
        "log_prob": near("log_prob", old_log_prob, 0.05),
        "ref_log_prob": near("ref_log_prob", old_log_prob, 0.05),
        "advantage": normal("advantage"),
        "old_value": old_value,
        "value": near("value", old_value, 0.1),
        "return_": normal("return_"),
        "entropy": normal("entropy", 0.1, 1.2),
        "mask": layout.mask(torch.ones(layout.shape("mask", rows), dtype=torch.float64)),
        "group": torch.zeros(rows, dtype=torch.int64),
        "logits": normal("logits"),
        "old_logits": normal("old_logits"),
        "mean": normal("mean", 0.3),
        "old_mean": normal("old_mean", 0.3),
        "ref_mean": normal("ref_mean", 0.3),
        "log_std": normal("log_std", 0.05),
        "old_log_std": normal("old_log_std", 0.05),
        "ref_log_std": normal("ref_log_std", 0.05),
        "std": normal("std", 0.05).exp(),
        "old_std": normal("old_std", 0.05).exp(),
        "action": torch.randint(CHOICES, layout.shape("action", rows), generator=generator)
        if layout.is_categorical
        else normal("action", 0.5).tanh(),
        "reward": normal("reward"),
        "kl": normal("kl", 0.05).abs(),
    }


FEW = 256
"""Rows of batches that are remembered: an audit asks for the same small ones a thousand times."""
_remembered = functools.lru_cache(maxsize=64)(_drawn)


def clone(batch: Batch, dtype: torch.dtype, differentiable: Collection[str]) -> Batch:
    """Fresh leaves: floating-point roles in `dtype`, those in `differentiable` with a gradient."""

    def fresh(role: str, value: torch.Tensor | float) -> torch.Tensor | float:
        if not isinstance(value, torch.Tensor):
            return value
        copy = value.detach().clone()
        copy = copy.to(dtype) if copy.is_floating_point() else copy
        return copy.requires_grad_(role in differentiable and copy.is_floating_point())

    return {role: fresh(role, value) for role, value in batch.items()}
