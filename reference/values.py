"""Critic losses per sample, to be minimised, and what is read off a critic.

Symbols: V_t the prediction, R_t its target (a constant), V_old the prediction at rollout time, ε the clip range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ppo_audit.reference.shapes import require_equal_shapes, require_floating, require_rank


def value_loss(value: Tensor, return_: Tensor) -> Tensor:
    """The squared error of the critic, without a factor ½.

    L^VF = (V_t − R_t)²

    PPO (arXiv:1707.06347), equation 9. Shapes: any, equal.
    """
    require_equal_shapes(value=value, return_=return_)
    require_floating(value=value, return_=return_)
    return (value - return_).square()


def clipped_value_loss(value: Tensor, value_old: Tensor, return_: Tensor, clip_range: float) -> Tensor:
    """The larger of the plain loss and the loss of a prediction held near the old one; both against the same target.

    L = max( (V_t − R_t)², (V_old + clip(V_t − V_old, −ε, ε) − R_t)² )

    Common practice (openai/baselines `ppo2`); "The 37 Implementation Details of PPO", detail 9. Shapes: any, equal.
    """
    require_equal_shapes(value=value, value_old=value_old, return_=return_)
    require_floating(value=value, value_old=value_old, return_=return_)
    value_clipped = value_old + (value - value_old).clamp(-clip_range, clip_range)
    return torch.maximum((value - return_).square(), (value_clipped - return_).square())


def huber_value_loss(value: Tensor, return_: Tensor, delta: float) -> Tensor:
    """Quadratic near the target, linear beyond: the slope never exceeds δ.

    L = ½ u² for |u| ≤ δ,  δ (|u| − ½ δ) beyond,  u = V_t − R_t

    Huber (1964); arXiv:2006.05990, appendix B.1. Shapes: any, equal.
    """
    require_equal_shapes(value=value, return_=return_)
    require_floating(value=value, return_=return_)
    u = (value - return_).abs()
    return torch.where(u <= delta, 0.5 * u.square(), delta * (u - 0.5 * delta))


def quantile_midpoints(count: int, like: Tensor) -> Tensor:
    """The levels at which a quantile critic estimates the return distribution.

    τ̂_i = (2 i + 1) / (2 K),  i = 0 … K − 1

    QR-DQN (arXiv:1710.10044), lemma 2. Result [K], with the dtype and device of `like`.
    """
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) / count


def quantile_value_loss(quantiles: Tensor, targets: Tensor) -> Tensor:
    """The pinball loss of every predicted quantile against every sample of the target.

    L = Σ_i (1/M) Σ_j ρ_i(z_j − θ_i),  ρ_i(u) = u (τ̂_i − 1(u < 0))

    QR-DQN (arXiv:1710.10044), equation 8.
    Shapes: quantiles [N, K], targets [N, M] (a scalar return is [N, 1]); result [N].
    """
    u, level = _pairwise_errors(quantiles, targets)
    return (u * (level - (u < 0.0).to(u.dtype))).mean(2).sum(1)


def quantile_huber_value_loss(quantiles: Tensor, targets: Tensor, kappa: float) -> Tensor:
    """The pinball loss rounded off near zero.

    L = Σ_i (1/M) Σ_j |τ̂_i − 1(u_ij < 0)| H_κ(u_ij) / κ,  u_ij = z_j − θ_i,  H_κ the Huber loss

    QR-DQN (arXiv:1710.10044), equations 9 and 10. Shapes: quantiles [N, K], targets [N, M]; result [N].
    """
    u, level = _pairwise_errors(quantiles, targets)
    huber = torch.where(u.abs() <= kappa, 0.5 * u.square(), kappa * (u.abs() - 0.5 * kappa))
    return ((level - (u < 0.0).to(u.dtype)).abs() * huber / kappa).mean(2).sum(1)


def _pairwise_errors(quantiles: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """u[n, i, j] = target j − quantile i, and the level of quantile i as [K, 1]: the axes are never confused."""
    require_rank(2, quantiles=quantiles, targets=targets)
    require_equal_shapes(quantiles=quantiles[:, 0], targets=targets[:, 0])
    require_floating(quantiles=quantiles, targets=targets)
    level = quantile_midpoints(quantiles.shape[1], quantiles).unsqueeze(1)
    return targets.unsqueeze(1) - quantiles.unsqueeze(2), level


def cvar(quantiles: Tensor, alpha: float) -> Tensor:
    """The mean of the worst α share of a distribution given by equally likely quantiles.

    CVaR_α = (1/α) ∫₀^α F⁻¹(τ) dτ = Σ_i w_i θ_(i),  w_i = min(max(αK − i, 0), 1) / (αK),  i = 0 … K − 1, ascending

    Rockafellar and Uryasev (2002), discrete distributions. Shapes: quantiles [N, K], any order; result [N].
    """
    require_rank(2, quantiles=quantiles)
    require_floating(quantiles=quantiles)
    if not 0.0 < alpha <= 1.0:
        raise ValueError(f"expected `alpha` in (0, 1], got {alpha}")
    rank = torch.arange(quantiles.shape[1], dtype=quantiles.dtype, device=quantiles.device)
    mass = alpha * quantiles.shape[1]
    weight = (mass - rank).clamp(0.0, 1.0) / mass
    return (quantiles.sort(dim=1).values * weight).sum(1)


def explained_variance(value: Tensor, return_: Tensor) -> Tensor:
    """How much of the spread of the returns the critic explains: 1 perfect, 0 no better than a constant.

    1 − Var(R − V) / Var(R);  0 where the returns do not vary

    Common practice (openai/baselines). Shapes: [N], equal; result a scalar.
    """
    require_rank(1, value=value, return_=return_)
    require_equal_shapes(value=value, return_=return_)
    variance = return_.var(correction=0)
    residual = (return_ - value).var(correction=0)
    return torch.where(variance > 0.0, 1.0 - residual / variance.clamp(min=torch.finfo(variance.dtype).tiny), 0.0)
