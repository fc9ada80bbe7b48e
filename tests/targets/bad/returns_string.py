"""A loss that describes its result and returns the description."""

import torch
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> str:
    ratio = torch.exp(log_probs - old_log_probs)
    return f"loss {-(ratio * advantages).mean():.4f}"
