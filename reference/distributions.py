"""Log-probabilities, entropies and exact divergences of the two families that policies use.

A categorical is given by `logits [..., K]` (any shift; −inf forbids an action), a diagonal Gaussian by `mean` and
`log_std [..., D]`, equal shapes. Results drop the last axis: D independent action dimensions are one joint action.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, softplus

from ppo_audit.reference.shapes import (
    require_equal_shapes,
    require_floating,
    require_integer,
    require_rank_at_least,
)


def categorical_log_prob(logits: Tensor, action: Tensor) -> Tensor:
    """The log-probability of the taken action.

    log π(a|s) = z_a − log Σ_k exp z_k

    Shapes: logits [..., K], action [...] of integers.
    """
    require_rank_at_least(1, logits=logits)
    require_equal_shapes(logits_without_last_axis=logits[..., 0], action=action)
    require_floating(logits=logits)
    require_integer(action=action)
    return log_softmax(logits, -1).gather(-1, action.long().unsqueeze(-1)).squeeze(-1)


def categorical_entropy(logits: Tensor) -> Tensor:
    """The entropy of a categorical; forbidden actions contribute nothing, in value and in gradient.

    H = −Σ_k p_k log p_k,  0 log 0 = 0

    Shannon (1948). Shapes: logits [..., K].
    """
    require_rank_at_least(1, logits=logits)
    require_floating(logits=logits)
    log_p = log_softmax(logits, -1)
    p = log_p.exp()
    # −inf is replaced before the product: 0 · (−inf) is NaN, and so is its gradient
    return -(p * log_p.masked_fill(torch.isneginf(log_p), 0.0)).sum(-1)


def categorical_kl(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """The exact divergence of q from p; infinite where p allows what q forbids.

    KL(p‖q) = Σ_k p_k (log p_k − log q_k),  0 log 0 = 0

    Kullback and Leibler (1951). Shapes: [..., K], equal.
    """
    require_rank_at_least(1, logits_p=logits_p)
    require_equal_shapes(logits_p=logits_p, logits_q=logits_q)
    require_floating(logits_p=logits_p, logits_q=logits_q)
    log_p, log_q = log_softmax(logits_p, -1), log_softmax(logits_q, -1)
    forbidden = torch.isneginf(log_p)
    difference = log_p.masked_fill(forbidden, 0.0) - log_q.masked_fill(forbidden, 0.0)
    return (log_p.exp() * difference).sum(-1)


def gaussian_log_prob(action: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """The log-density of a joint action under a diagonal Gaussian.

    log π(a|s) = −Σ_d [ ½ ((a_d − μ_d) / σ_d)² + log σ_d + ½ log 2π ]

    Shapes: [..., D], equal.
    """
    require_rank_at_least(1, action=action)
    require_equal_shapes(action=action, mean=mean, log_std=log_std)
    require_floating(action=action, mean=mean, log_std=log_std)
    z = (action - mean) * torch.exp(-log_std)
    return -(0.5 * z.square() + log_std + 0.5 * math.log(2.0 * math.pi)).sum(-1)


def gaussian_entropy(log_std: Tensor) -> Tensor:
    """The differential entropy of a diagonal Gaussian, summed over its dimensions.

    H = Σ_d [ log σ_d + ½ log(2πe) ]

    Shannon (1948), section 20. Shapes: [..., D].
    """
    require_rank_at_least(1, log_std=log_std)
    require_floating(log_std=log_std)
    return (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(-1)


def gaussian_kl(mean_p: Tensor, log_std_p: Tensor, mean_q: Tensor, log_std_q: Tensor) -> Tensor:
    """The exact divergence of one diagonal Gaussian from another, summed over dimensions.

    KL(p‖q) = Σ_d [ log(σ_q/σ_p) + (σ_p² + (μ_p − μ_q)²) / (2 σ_q²) − ½ ]

    Kullback and Leibler (1951). Shapes: [..., D], equal.
    """
    require_rank_at_least(1, mean_p=mean_p)
    require_equal_shapes(mean_p=mean_p, log_std_p=log_std_p, mean_q=mean_q, log_std_q=log_std_q)
    require_floating(mean_p=mean_p, log_std_p=log_std_p, mean_q=mean_q, log_std_q=log_std_q)
    log_scale = log_std_p - log_std_q
    distance = ((mean_p - mean_q) * torch.exp(-log_std_q)).square()
    # ½ (s² − 1) − log s through expm1: exactly 0 at equality and accurate near it
    return (0.5 * torch.expm1(2.0 * log_scale) - log_scale + 0.5 * distance).sum(-1)


def squashed_gaussian_log_prob(pre_tanh: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """The log-density of the action tanh(u), u drawn from a diagonal Gaussian.

    log π(tanh u|s) = log N(u; μ, σ) − Σ_d log(1 − tanh² u_d),  log(1 − tanh² u) = 2 (log 2 − u − softplus(−2u))

    SAC (arXiv:1812.05905), appendix C, in the form that does not cancel. Shapes: [..., D], equal; u is `pre_tanh`.
    """
    correction = 2.0 * (math.log(2.0) - pre_tanh - softplus(-2.0 * pre_tanh))
    return gaussian_log_prob(pre_tanh, mean, log_std) - correction.sum(-1)


def squashed_gaussian_entropy(mean: Tensor, log_std: Tensor, nodes: int = 32) -> Tensor:
    """The differential entropy of tanh(u), u a diagonal Gaussian, by Gauss-Hermite quadrature in each dimension.

    H = Σ_d [ H(u_d) + E log(1 − tanh² u_d) ],  E f(u) ≈ Σ_k w_k f(μ + √2 σ x_k) / √π

    Change of variables; Abramowitz and Stegun (1964), 25.4.46. Shapes: [..., D], equal.
    """
    require_equal_shapes(mean=mean, log_std=log_std)
    require_floating(mean=mean, log_std=log_std)
    x, weight = (torch.from_numpy(array).to(mean) for array in np.polynomial.hermite.hermgauss(nodes))
    u = mean.unsqueeze(-1) + math.sqrt(2.0) * torch.exp(log_std).unsqueeze(-1) * x
    log_slope = 2.0 * (math.log(2.0) - u - softplus(-2.0 * u))
    return gaussian_entropy(log_std) + ((log_slope * weight).sum(-1) / math.sqrt(math.pi)).sum(-1)
