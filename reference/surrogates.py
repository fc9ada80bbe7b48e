"""Policy objectives per sample, to be **maximised**: a loss is minus their mean.

Symbols: r_t = π(a_t|s_t) / π_old(a_t|s_t), A_t the advantage, ε the clip range.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ppo_audit.reference.reductions import masked_mean
from ppo_audit.reference.shapes import require_bool, require_equal_shapes, require_floating, require_rank


def ratio(log_prob: Tensor, log_prob_old: Tensor) -> Tensor:
    """The probability ratio of the current and the old policy.

    r_t = exp(log π(a_t|s_t) − log π_old(a_t|s_t))

    PPO (arXiv:1707.06347), section 3. Unguarded as there: exp overflows beyond 88.7 in float32.
    Shapes: any, equal; the log-probability is that of the whole action, summed over its dimensions.
    """
    require_equal_shapes(log_prob=log_prob, log_prob_old=log_prob_old)
    require_floating(log_prob=log_prob, log_prob_old=log_prob_old)
    return torch.exp(log_prob - log_prob_old)


def linear_tail_ratio(log_prob: Tensor, log_prob_old: Tensor, bound: float = 10.0) -> Tensor:
    """The ratio, continued by its tangent beyond a bound, so that neither value nor gradient explodes or dies.

    x = log π − log π_old;  r = eˣ for x ≤ b,  eᵇ (1 + x − b) for x > b

    Ours; equals `ratio` up to the bound. A clamp of x instead has zero gradient where the correction is needed most.
    Shapes: any, equal.
    """
    require_equal_shapes(log_prob=log_prob, log_prob_old=log_prob_old)
    require_floating(log_prob=log_prob, log_prob_old=log_prob_old)
    x = log_prob - log_prob_old
    return torch.exp(x.clamp(max=bound)) * (1.0 + torch.relu(x - bound))


def sequence_ratio(log_prob: Tensor, log_prob_old: Tensor, mask: Tensor) -> Tensor:
    """The length-normalised ratio of a whole sequence.

    s_i = (π(y_i|x_i) / π_old(y_i|x_i))^(1/|y_i|) = exp( (1/|y_i|) Σ_t m_it (log π − log π_old)_it )

    GSPO (arXiv:2507.18071), equation 7. Shapes: [N, T] each, mask boolean; result [N].
    """
    require_rank(2, log_prob=log_prob)
    require_equal_shapes(log_prob=log_prob, log_prob_old=log_prob_old, mask=mask)
    require_bool(mask=mask)
    log_ratio = torch.where(mask, log_prob - log_prob_old, 0.0)
    return torch.exp(log_ratio.sum(1) / mask.sum(1).clamp(min=1))


def policy_gradient_surrogate(ratio: Tensor, advantage: Tensor) -> Tensor:
    """The conservative policy iteration objective, without any trust region.

    L^CPI = r_t A_t

    PPO (arXiv:1707.06347), equation 6. Shapes: any, equal.
    """
    require_equal_shapes(ratio=ratio, advantage=advantage)
    require_floating(ratio=ratio, advantage=advantage)
    return ratio * advantage


def clipped_surrogate(ratio: Tensor, advantage: Tensor, clip_range: float) -> Tensor:
    """The clipped surrogate: a lower bound of r A that stops rewarding moves beyond the clip range.

    L^CLIP = min( r_t A_t, clip(r_t, 1 − ε, 1 + ε) A_t )

    PPO (arXiv:1707.06347), equation 7. Shapes: any, equal.
    """
    return asymmetric_clipped_surrogate(ratio, advantage, clip_range, clip_range)


def asymmetric_clipped_surrogate(
    ratio: Tensor, advantage: Tensor, clip_range_low: float, clip_range_high: float
) -> Tensor:
    """The clipped surrogate with a wider range upwards ("clip-higher").

    L = min( r_t A_t, clip(r_t, 1 − ε_low, 1 + ε_high) A_t )

    DAPO (arXiv:2503.14476), equation 10. Shapes: any, equal.
    """
    require_equal_shapes(ratio=ratio, advantage=advantage)
    require_floating(ratio=ratio, advantage=advantage)
    clipped_ratio = ratio.clamp(1.0 - clip_range_low, 1.0 + clip_range_high)
    return torch.minimum(ratio * advantage, clipped_ratio * advantage)


def dual_clip_surrogate(ratio: Tensor, advantage: Tensor, clip_range: float, dual_clip: float) -> Tensor:
    """The clipped surrogate, bounded below where the advantage is negative.

    L = max( L^CLIP, c A_t ) for A_t < 0,  L^CLIP for A_t ≥ 0,  with c > 1 + ε

    Dual-clip PPO (arXiv:1912.09729), equation 5 (c = 3 there). Shapes: any, equal.
    """
    if not dual_clip > 1.0 + clip_range:
        raise ValueError(f"expected `dual_clip` above 1 + clip_range = {1.0 + clip_range}, got {dual_clip}")
    surrogate = clipped_surrogate(ratio, advantage, clip_range)
    return torch.where(advantage < 0.0, torch.maximum(surrogate, dual_clip * advantage), surrogate)


def kl_penalty_surrogate(ratio: Tensor, advantage: Tensor, kl: Tensor, kl_coef: float) -> Tensor:
    """The surrogate with a penalty on the divergence from the old policy instead of a clip.

    L^KLPEN = r_t A_t − β KL[π_old(·|s_t), π(·|s_t)]

    PPO (arXiv:1707.06347), equation 8. Shapes: any, equal; `kl` is the exact KL of each state.
    """
    require_equal_shapes(ratio=ratio, advantage=advantage, kl=kl)
    require_floating(ratio=ratio, advantage=advantage, kl=kl)
    return ratio * advantage - kl_coef * kl


def cispo_surrogate(log_prob: Tensor, log_prob_old: Tensor, advantage: Tensor, clip_range_high: float) -> Tensor:
    """REINFORCE with a clipped, detached importance weight: every sample keeps its gradient.

    L = sg( min(r_t, 1 + ε_high) ) A_t log π(a_t|s_t)

    CISPO (arXiv:2506.13585), equation 4, with its lower bound off as published. Shapes: any, equal.
    """
    require_equal_shapes(log_prob=log_prob, log_prob_old=log_prob_old, advantage=advantage)
    require_floating(log_prob=log_prob, log_prob_old=log_prob_old, advantage=advantage)
    # min inside the exponential: the weight of a far sample is the cap, never inf
    weight = torch.exp((log_prob - log_prob_old).clamp(max=math.log1p(clip_range_high))).detach()
    return weight * advantage * log_prob


def clip_fraction(ratio: Tensor, clip_range: float, mask: Tensor) -> Tensor:
    """The share of samples whose ratio lies outside the clip range.

    E_t[ 1(|r_t − 1| > ε) ]

    Common practice (openai/baselines `ppo2`). Shapes: any, equal, mask boolean; result a scalar.
    """
    return masked_mean(((ratio - 1.0).abs() > clip_range).to(ratio.dtype), mask)
