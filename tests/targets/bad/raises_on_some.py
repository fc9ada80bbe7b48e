"""A loss that raises on a valid but rare input: a batch of one sample."""

import torch
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_range: float = 0.2) -> Tensor:
    if len(advantages) < 2:
        raise ValueError("need two samples to normalise the advantages")
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_probs - old_log_probs)
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
