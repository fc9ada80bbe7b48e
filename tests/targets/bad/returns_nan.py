"""A loss that is always NaN: the logarithm of a negative number."""

import torch
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_range: float = 0.2) -> Tensor:
    ratio = torch.log(-torch.exp(log_probs - old_log_probs))
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
