"""Sample estimators of KL(q‖p) from actions drawn from q, per sample.

Schulman, "Approximating KL Divergence" (joschu.net/blog/kl-approx.html); x = log p(a) − log q(a), a ~ q. For the
divergence of the new from the old policy q is the old one; for the divergence from a reference q is the current one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ppo_audit.reference.shapes import require_equal_shapes, require_floating


def k1(log_prob_q: Tensor, log_prob_p: Tensor) -> Tensor:
    """Unbiased, of high variance, and negative for many samples.

    k1 = −x

    Shapes: any, equal.
    """
    return -_log_ratio(log_prob_q, log_prob_p)


def k2(log_prob_q: Tensor, log_prob_p: Tensor) -> Tensor:
    """Biased beyond second order, never negative; its gradient is that of KL(q‖p) where q is the one that learns.

    k2 = ½ x²

    Shapes: any, equal.
    """
    return 0.5 * _log_ratio(log_prob_q, log_prob_p).square()


def k3(log_prob_q: Tensor, log_prob_p: Tensor) -> Tensor:
    """Unbiased, of low variance, never negative.

    k3 = eˣ − 1 − x

    Shapes: any, equal. Through expm1: eˣ − 1 cancels near 0 and makes one in eight estimates negative in float32.
    """
    x = _log_ratio(log_prob_q, log_prob_p)
    return torch.expm1(x) - x


def _log_ratio(log_prob_q: Tensor, log_prob_p: Tensor) -> Tensor:
    require_equal_shapes(log_prob_q=log_prob_q, log_prob_p=log_prob_p)
    require_floating(log_prob_q=log_prob_q, log_prob_p=log_prob_p)
    return log_prob_p - log_prob_q
