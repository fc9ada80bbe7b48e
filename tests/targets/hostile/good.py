"""Targets that deserve a judgement, among hostile ones."""

from honest_surrogate import surrogate
from torch import Tensor


def sound(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return surrogate(log_probs, old_log_probs, advantages)


def faulty(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return -surrogate(log_probs, old_log_probs, advantages)
