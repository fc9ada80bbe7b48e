"""How a value loss pulls predictions: with what slopes, and towards what."""

from __future__ import annotations

import torch

from ppo_audit.errors import NotApplicable

SMALL = 0.5
"""Errors up to which no loss is bent."""


def pulls(
    target: torch.Tensor, error: torch.Tensor, gradient: torch.Tensor
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The slope of the pull, the gradients that errors should have, and where no loss is bent.

    An expectile is pulled harder from one side than from the other.
    """
    if are_in_a_fixed_unit(target + error, target, gradient):
        raise NotApplicable("the loss maps its targets into a unit of its own by fixed numbers")
    small = error.abs() <= SMALL
    pull = gradient / error
    slope, *sides = (float(pull[small & side].median()) for side in (small, error > 0, error < 0))
    usual = [slope if slope > 0 else 1.0] * 2
    slopes = torch.tensor(sides if min(sides) > 0 else usual, dtype=torch.float64)
    return slope, slopes[(error < 0).long()] * error, small


def are_in_a_fixed_unit(value: torch.Tensor, target: torch.Tensor, gradient: torch.Tensor) -> bool:
    """Whether each prediction is pulled towards (target - b) / a with fixed numbers a and b: a held normaliser's."""
    columns = torch.stack([value, -target, torch.ones_like(value)], dim=1)
    if not bool(gradient.isfinite().all()):
        return False
    fitted = torch.linalg.solve(columns.T @ columns, columns.T @ gradient.double())
    pull, scaled, shift = fitted.tolist()
    if pull <= 0 or scaled <= 0 or not torch.allclose(columns @ fitted, gradient.double(), rtol=1e-6, atol=1e-9):
        return False
    return bool(abs(scaled / pull - 1) > 1e-3 and abs(shift / pull) > 1e-3)
