"""A loss with an argument that nobody can infer from its name or its behaviour."""

from collections.abc import Mapping

import torch
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, zeta_map: Mapping[str, float]) -> Tensor:
    ratio = torch.exp(log_probs - old_log_probs)
    width = zeta_map["width"]
    return -torch.min(ratio * advantages, ratio.clamp(1 - width, 1 + width) * advantages).mean()
