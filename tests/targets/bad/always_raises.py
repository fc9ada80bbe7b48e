"""A loss that raises whatever it is given."""

from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_range: float = 0.2) -> Tensor:
    raise RuntimeError("the replay buffer is not connected")
