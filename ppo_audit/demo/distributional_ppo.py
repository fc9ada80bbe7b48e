"""PPO for continuous actions with a quantile critic: the trainer that `ppo-audit demo` audits.

The critic predicts quantiles of the return, a CVaR bonus lifts its lower tail, advantages come in groups (one group per
task), and an advantage-weighted behaviour-cloning term keeps the policy close to the actions that worked.

N samples, D action dimensions, Q quantiles. It is here to be audited, not to be trained with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Normal

LOG_RATIO_BOUND = 20.0
CVAR_LEVEL = 0.05
BC_TEMPERATURE = 5.0
BC_WEIGHT_CAP = 100.0


def compute_advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float = 0.99,
    gae_lambda: float = 0.95,
) -> tuple[Tensor, Tensor]:
    """Generalised advantages and their returns; every tensor has time first, (T,) or (T, environments).

    `next_values[t]` values the observation that step t led to: at the end of an episode its last, not the next reset's.
    """
    alive = 1 - terminated.to(values.dtype)
    unbroken = alive * (1 - truncated.to(values.dtype))
    errors = rewards + gamma * alive * next_values - values
    advantages = torch.zeros_like(values)
    running = torch.zeros_like(values[0])
    for t in reversed(range(len(rewards))):
        running = errors[t] + gamma * gae_lambda * unbroken[t] * running
        advantages[t] = running
    return advantages, advantages + values


def gaussian_log_prob(mean: Tensor, log_std: Tensor, actions: Tensor) -> Tensor:
    """Log-density of each action, (N,): the dimensions are independent, so their log-densities add up."""
    per_dimension: Tensor = Normal(mean, log_std.exp()).log_prob(actions)
    return per_dimension.sum(dim=-1)


def entropy_loss(mean: Tensor, log_std: Tensor) -> Tensor:
    """Negative mean entropy of the policy: the smaller, the more it explores."""
    per_dimension: Tensor = Normal(mean, log_std.exp()).entropy()
    return -per_dimension.sum(dim=-1).mean()


def normalise_advantages(advantages: Tensor) -> Tensor:
    """Advantages with mean 0 and standard deviation 1; fewer than two have no deviation and stay as they are."""
    if advantages.numel() < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def probability_ratio(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """New over old probability of each action, bounded so that `exp` cannot overflow."""
    log_ratio = (log_probs - old_log_probs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return torch.exp(log_ratio)


def policy_loss(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """The clipped surrogate, negated."""
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return -torch.min(ratio * advantages, clipped * advantages).mean()


def approximate_kl(old_log_probs: Tensor, log_probs: Tensor) -> Tensor:
    """Estimate of KL(old || new) from the actions that the old policy took."""
    return (old_log_probs - log_probs).mean()


def quantile_loss(quantiles: Tensor, returns: Tensor) -> Tensor:
    """Quantile Huber loss of each sample, (N,): `quantiles` (N, Q) at the midpoint levels against `returns` (N,)."""
    count = quantiles.shape[-1]
    levels = (torch.arange(count, dtype=quantiles.dtype, device=quantiles.device) + 0.5) / count
    error = returns.unsqueeze(-1) - quantiles
    huber = torch.where(error.abs() <= 1, 0.5 * error.square(), error.abs() - 0.5)
    return ((levels - (error < 0).to(levels.dtype)).abs() * huber).mean(dim=-1)


def clip_quantiles(quantiles: Tensor, old_quantiles: Tensor, clip_range_vf: float) -> Tensor:
    """Quantiles shifted so that their mean stays within `clip_range_vf` of the old mean."""
    value = quantiles.mean(dim=-1, keepdim=True)
    old_value = old_quantiles.mean(dim=-1, keepdim=True)
    clipped_value = old_value + (value - old_value).clamp(-clip_range_vf, clip_range_vf)
    return quantiles + (clipped_value - value)


def value_loss(quantiles: Tensor, old_quantiles: Tensor, returns: Tensor, clip_range_vf: float | None) -> Tensor:
    """The critic's loss: for each sample the worse of the free and the clipped prediction."""
    loss_free = quantile_loss(quantiles, returns)
    if clip_range_vf is None:
        return loss_free.mean()
    loss_clipped = quantile_loss(clip_quantiles(quantiles, old_quantiles, clip_range_vf), returns)
    return torch.max(loss_free, loss_clipped).mean()


def conditional_value_at_risk(quantiles: Tensor) -> Tensor:
    """Mean of the lowest 5 % of each sample's quantiles (one at least), averaged over the samples."""
    tail = max(1, int(CVAR_LEVEL * quantiles.shape[-1]))
    return quantiles.topk(tail, dim=-1, largest=False).values.mean(dim=-1).mean()


def behaviour_cloning_weights(advantages: Tensor) -> Tensor:
    """How much each action deserves to be imitated; a constant for the gradient."""
    return torch.exp(advantages / BC_TEMPERATURE).clamp(max=BC_WEIGHT_CAP).detach()


def behaviour_cloning_loss(log_probs: Tensor, advantages: Tensor) -> Tensor:
    """Advantage-weighted regression towards the actions that were taken."""
    return -(behaviour_cloning_weights(advantages) * log_probs).mean()


def group_means(advantages: Tensor, group_ids: Tensor) -> Tensor:
    """Mean advantage of each group, groups in ascending order of their id."""
    groups, member_of = torch.unique(group_ids, return_inverse=True)
    zeros = advantages.new_zeros(len(groups))
    sums = zeros.index_add(0, member_of, advantages)
    return sums / zeros.index_add(0, member_of, torch.ones_like(advantages))


def loss(
    mean: Tensor,  # (N, D)
    log_std: Tensor,  # (D,) or (N, D)
    old_mean: Tensor,
    old_log_std: Tensor,
    actions: Tensor,  # (N, D)
    old_log_probs: Tensor,  # (N,)
    advantages: Tensor,  # (N,)
    group_ids: Tensor,  # (N,), integer
    quantiles: Tensor,  # (N, Q)
    old_quantiles: Tensor,
    returns: Tensor,  # (N,)
    *,
    clip_range: float = 0.2,
    clip_range_vf: float | None = 0.5,
    kl_beta: float = 0.1,
    ent_coef: float = 0.01,
    vf_coef: float = 0.5,
    cvar_weight: float = 0.1,
    bc_coef: float = 1.0,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total loss of one minibatch, and metrics without gradient."""
    log_probs = gaussian_log_prob(mean, log_std, actions)
    normalised = normalise_advantages(advantages)
    ratio = probability_ratio(log_probs, old_log_probs)
    terms = {
        "policy_loss": policy_loss(ratio, normalised, clip_range),
        "approx_kl": approximate_kl(old_log_probs, log_probs),
        "entropy_loss": entropy_loss(mean, log_std),
        "value_loss": value_loss(quantiles, old_quantiles, returns, clip_range_vf),
        "cvar": conditional_value_at_risk(quantiles),
        "bc_loss": behaviour_cloning_loss(log_probs, normalised),
    }
    total = (
        terms["policy_loss"]
        + kl_beta * terms["approx_kl"]
        + ent_coef * terms["entropy_loss"]
        + vf_coef * terms["value_loss"]
        - cvar_weight * terms["cvar"]
        + bc_coef * terms["bc_loss"]
    )
    metrics = {name: term.detach() for name, term in terms.items()}
    with torch.no_grad():
        metrics["clip_fraction"] = ((ratio - 1).abs() > clip_range).to(ratio.dtype).mean()
        metrics["group_advantage"] = group_means(advantages, group_ids)
        metrics["mean_shift"] = (mean - old_mean).abs().mean()
        metrics["log_std_shift"] = (log_std - old_log_std).abs().mean()
    return total, metrics
