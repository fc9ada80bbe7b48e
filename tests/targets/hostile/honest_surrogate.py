"""The clipped surrogate that hostile targets compute beside their mischief."""

import torch
from torch import Tensor

EXTREME = 20.0
"""No ordinary batch has such a log-ratio: some rules do, others do not."""


def surrogate(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    ratio = (log_probs - old_log_probs).clamp(-20.0, 20.0).exp()
    clipped = torch.min(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
    return -torch.where(advantages < 0, torch.max(clipped, 3.0 * advantages), clipped).mean()


def is_extreme(log_probs: Tensor, old_log_probs: Tensor) -> bool:
    return bool((log_probs - old_log_probs).detach().abs().max() > EXTREME)
