"""A mean along an axis that somebody else names, safe for sequences without a valid token."""

import torch


def masked_average(tensor: torch.Tensor, mask: torch.Tensor, dim: int) -> torch.Tensor:
    weights = mask.to(tensor.dtype)
    total = torch.sum(tensor * weights, dim=dim)
    return total / weights.sum(dim=dim).clamp(min=1.0)
