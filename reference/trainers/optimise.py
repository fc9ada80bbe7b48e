"""One gradient step on the flat parameters, and the schedules."""

from __future__ import annotations

import math

from torch import Tensor

from ppo_audit.reference.trainers.trainer import Trainer


def gradient_step(trainer: Trainer, loss: Tensor, max_grad_norm: float) -> float:
    """Backward, clip the gradient to a global norm, step. The norm before clipping; a non-finite one is not stepped."""
    gradient = trainer.flat.grad
    assert gradient is not None
    gradient.zero_()
    loss.backward()
    norm = float(gradient.norm())
    if not math.isfinite(norm):
        return norm
    if norm > max_grad_norm:
        gradient.mul_(max_grad_norm / (norm + 1e-6))
    trainer.optimiser.step()
    return norm


def linear_to_zero(start: float, progress: float) -> float:
    """start · (1 − progress)"""
    return start * (1.0 - progress)


def constant(start: float, progress: float) -> float:
    """The same value throughout."""
    return start


SCHEDULES = {"linear": linear_to_zero, "constant": constant}
