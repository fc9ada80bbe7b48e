"""Whole policy losses as published, to compare one's own with: `ppo-audit diff loss.py:loss reference:ppo_clip`.

Each is minimised, and takes what papers write on the right of it; normalisation, value and entropy are the trainer's.
"""

from __future__ import annotations

from torch import Tensor

from ppo_audit.reference.reductions import masked_mean
from ppo_audit.reference.surrogates import (
    asymmetric_clipped_surrogate,
    clipped_surrogate,
    dual_clip_surrogate,
    policy_gradient_surrogate,
    ratio,
)


def policy_gradient(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """The importance-weighted policy gradient. PPO (arXiv:1707.06347), equation 6. Shapes: any, equal."""
    return -policy_gradient_surrogate(ratio(log_prob, old_log_prob), advantage).mean()


def ppo_clip(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip_range: float = 0.2) -> Tensor:
    """The clipped loss. PPO (arXiv:1707.06347), equation 7. Shapes: any, equal."""
    return -clipped_surrogate(ratio(log_prob, old_log_prob), advantage, clip_range).mean()


def ppo_dual_clip(
    log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip_range: float = 0.2, dual_clip: float = 3.0
) -> Tensor:
    """The loss bounded for A < 0. Dual-clip PPO (arXiv:1912.09729), equation 5. Shapes: any, equal."""
    return -dual_clip_surrogate(ratio(log_prob, old_log_prob), advantage, clip_range, dual_clip).mean()


def dapo(
    log_prob: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    mask: Tensor,
    clip_range: float = 0.2,
    clip_range_high: float = 0.28,
) -> Tensor:
    """Clip-higher, a mean over tokens. DAPO (arXiv:2503.14476), equation 8. Shapes: [N, T] each."""
    surrogate = asymmetric_clipped_surrogate(ratio(log_prob, old_log_prob), advantage, clip_range, clip_range_high)
    return -masked_mean(surrogate, mask.bool())
