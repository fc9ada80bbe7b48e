"""A loss that normalises the caller's advantages in place."""

import torch
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_range: float = 0.2) -> Tensor:
    if len(advantages) > 1:
        advantages -= advantages.mean()
        advantages /= advantages.std() + 1e-8
    ratio = torch.exp(log_probs - old_log_probs)
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
