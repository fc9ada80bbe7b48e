"""The log-prob by way of `torch.distributions`, actions squashed to (-1, 1) by their caller."""

import torch
from torch.distributions import Independent, Normal


def evaluate_log_prob(action: torch.Tensor, mean: torch.Tensor, log_std: torch.Tensor) -> torch.Tensor:
    distribution = Independent(Normal(mean, log_std.exp()), 1)
    return distribution.log_prob(action)
