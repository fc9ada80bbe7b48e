"""Normalised advantages, advantages relative to a group, and weights made of advantages.

Standard deviations are those of a sample, √(Σ(x − x̄)² / max(n − 1, 1)): with one element the result is 0, not NaN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ppo_audit.reference.shapes import (
    require_bool,
    require_equal_shapes,
    require_floating,
    require_integer,
    require_rank,
)

MEDIAN_DEVIATIONS_PER_STD = 1.482602218505602  # 1 / Φ⁻¹(3/4): makes the median deviation of a Gaussian its σ
MEAN_DEVIATIONS_PER_STD = math.sqrt(math.pi / 2.0)  # the same for the mean absolute deviation


def normalise_batch(advantage: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Advantages with mean 0 and standard deviation 1 over the batch.

    Â_i = (A_i − Ā) / (std(A) + ϵ)

    "The 37 Implementation Details of PPO", detail 7. Shapes: any; statistics over all elements.
    """
    require_floating(advantage=advantage)
    centred = advantage - advantage.mean()
    std = (centred.square().sum() / max(advantage.numel() - 1, 1)).sqrt()
    return centred / (std + epsilon)


def normalise_masked(advantage: Tensor, mask: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Advantages normalised with the statistics of the valid entries; 0 elsewhere.

    Â_i = m_i (A_i − Ā_m) / (std_m(A) + ϵ)

    RLHF practice ("whitening"; TRL, verl). Shapes: any, equal, mask boolean.
    """
    require_equal_shapes(advantage=advantage, mask=mask)
    require_floating(advantage=advantage)
    require_bool(mask=mask)
    count = mask.sum()
    mean = torch.where(mask, advantage, 0.0).sum() / count.clamp(min=1)
    centred = torch.where(mask, advantage - mean, 0.0)
    std = (centred.square().sum() / (count - 1).clamp(min=1)).sqrt()
    return centred / (std + epsilon)


def normalise_group(advantage: Tensor, group: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Advantages normalised inside each group, so that a group's good samples keep their sign.

    Â_i = (A_i − Ā_g(i)) / (std_g(i)(A) + ϵ)

    GRPO (arXiv:2402.03300), section 4.1.2, for groups of any size. Shapes: [N] each, group integers of any value.
    """
    require_rank(1, advantage=advantage)
    require_equal_shapes(advantage=advantage, group=group)
    require_floating(advantage=advantage)
    require_integer(group=group)
    _, index, count = torch.unique(group, return_inverse=True, return_counts=True)
    zeros = advantage.new_zeros(count.shape)
    centred = advantage - (zeros.index_add(0, index, advantage) / count)[index]
    std = (zeros.index_add(0, index, centred.square()) / (count - 1).clamp(min=1)).sqrt()
    out: Tensor = centred / (std + epsilon)[index]
    return out


def normalise_robust(advantage: Tensor, epsilon: float = 1e-8) -> Tensor:
    """Advantages normalised by median and median absolute deviation, which outliers do not move.

    Â_i = (A_i − med(A)) / (1.4826 · med|A − med(A)| + ϵ), or √(π/2) · mean|A − med(A)| where the median one is 0

    Iglewicz and Hoaglin (1993), "How to Detect and Handle Outliers", modified z-scores. Shapes: any.
    """
    require_floating(advantage=advantage)
    centred = advantage - advantage.flatten().quantile(0.5)
    deviation = centred.abs().flatten()
    spread = MEDIAN_DEVIATIONS_PER_STD * deviation.quantile(0.5)
    # more than half of the advantages equal: the median deviation is 0 and would blow the others up by 1/ϵ
    spread = torch.where(spread > 0.0, spread, MEAN_DEVIATIONS_PER_STD * deviation.mean())
    return centred / (spread + epsilon)


def grpo_advantages(reward: Tensor, epsilon: float = 1e-4) -> Tensor:
    """The reward of each answer relative to the other answers to the same prompt.

    Â_pi = (r_pi − mean_j r_pj) / (std_j r_pj + ϵ)

    GRPO (arXiv:2402.03300), section 4.1.2; ϵ as in TRL. Shapes: reward [P, G], one row a prompt.
    """
    centred = dr_grpo_advantages(reward)
    std = (centred.square().sum(1, keepdim=True) / max(reward.shape[1] - 1, 1)).sqrt()
    return centred / (std + epsilon)


def dr_grpo_advantages(reward: Tensor) -> Tensor:
    """The reward of each answer less the mean of its group, without the division that favours easy and hard prompts.

    Â_pi = r_pi − mean_j r_pj

    Dr. GRPO (arXiv:2503.20783), section 3.2. Shapes: reward [P, G], one row a prompt.
    """
    require_rank(2, reward=reward)
    require_floating(reward=reward)
    return reward - reward.mean(1, keepdim=True)


def rloo_advantages(reward: Tensor) -> Tensor:
    """The reward of each answer less the mean of the *other* answers to the same prompt.

    Â_pi = r_pi − (1/(G−1)) Σ_{j≠i} r_pj

    RLOO (arXiv:2402.14740), section 3.3. Shapes: reward [P, G] with G ≥ 2, one row a prompt.
    """
    require_rank(2, reward=reward)
    require_floating(reward=reward)
    group_size = reward.shape[1]
    if group_size < 2:
        raise ValueError(f"expected at least 2 answers a prompt, got `reward` of shape {tuple(reward.shape)}")
    return reward - (reward.sum(1, keepdim=True) - reward) / (group_size - 1)


def awr_weights(advantage: Tensor, temperature: float, cap: float) -> Tensor:
    """Weights that imitate good actions more than bad ones.

    w_i = min( exp(A_i / β), w_max )

    AWR (arXiv:1910.00177), algorithm 1 and section 5.2 (cap 20 there). Shapes: any.
    """
    require_floating(advantage=advantage)
    # the cap inside the exponential: the same number, and no overflow on the way
    return torch.exp((advantage / temperature).clamp(max=math.log(cap)))
