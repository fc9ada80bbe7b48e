"""PPO with a critic of the whole return distribution, and an objective that cares for its worst part.

The critic predicts quantiles (QR-DQN, arXiv:1710.10044). With weight w the advantage is (1 − w) GAE + w A^CVaR, where
A^CVaR = min(G_t − VaR_α(s_t), 0) / α is the gradient weight of CVaR_α = max_v { v + E[min(G − v, 0)] / α }
(Rockafellar and Uryasev 2002; policy gradient: Tamar et al., arXiv:1404.3862).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ppo_audit.reference.surrogates import clipped_surrogate
from ppo_audit.reference.trainers.ppo import PPOConfig, learn, next_rollout
from ppo_audit.reference.trainers.rollout import Rollout
from ppo_audit.reference.trainers.samples import Samples, flattened, samples_of
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer
from ppo_audit.reference.values import cvar, explained_variance, quantile_huber_value_loss


@dataclass(frozen=True)
class QuantileConfig:
    """PPO's options, and those of the critic; `value_clip_range` is not for quantiles."""

    ppo: PPOConfig = field(default_factory=PPOConfig)
    quantiles: int = 32
    kappa: float = 1.0
    cvar_alpha: float = 0.25
    cvar_weight: float = 0.0


def iterate(trainer: Trainer) -> Metrics:
    """One rollout and one update."""
    config: QuantileConfig = trainer.config
    rollout = next_rollout(trainer, config.ppo.rollout_steps)
    samples = quantile_samples(rollout, config, trainer)
    objective = lambda terms: clipped_surrogate(terms.ratio, terms.advantage, config.ppo.clip_range)
    # the mean over quantiles instead of the sum keeps `value_coef` on the scale of a scalar critic
    critic = lambda value, batch: quantile_huber_value_loss(value, batch.return_, config.kappa) / config.quantiles
    metrics = learn(trainer, config.ppo, samples, objective, critic)
    metrics["explained_variance"] = explained_variance(samples.value_old.mean(1), samples.return_.mean(1)).item()
    metrics["cvar"] = cvar(samples.value_old, config.cvar_alpha).mean().item()
    return metrics


def quantile_samples(rollout: Rollout, config: QuantileConfig, trainer: Trainer) -> Samples:
    """Samples whose targets are draws from the return distribution, and whose advantage mixes mean and tail."""
    ppo = config.ppo
    mean = rollout._replace(value_old=rollout.value_old.mean(-1), value_next=rollout.value_next.mean(-1))
    scalar = samples_of(mean, ppo.gamma, ppo.gae_lambda)
    draw = torch.from_numpy(trainer.rng.random(rollout.log_prob_old.shape)) < ppo.gae_lambda
    targets = sampled_lambda_returns(rollout, draw, ppo.gamma)
    advantage = scalar.advantage
    if config.cvar_weight:
        tail = tail_advantage(scalar.return_, rollout.value_old.flatten(0, 1), config.cvar_alpha)
        advantage = (1.0 - config.cvar_weight) * advantage + config.cvar_weight * tail
    shape = rollout.log_prob_old.shape
    return flattened(rollout, advantage.unflatten(0, shape), targets)


def sampled_lambda_returns(rollout: Rollout, goes_on: Tensor, gamma: float) -> Tensor:
    """Draws from the λ-mixture of n-step return distributions, one a quantile of the bootstrap.

    z_t = r_t + γ (1 − terminated_t) [ z_{t+1} if goes_on_t and not ended_t, else θ(s_{t+1}) ],  P(goes_on_t) = λ

    A mean of quantiles would narrow the distribution; a draw of n keeps the mixture exact. Shapes: goes_on [T, N]
    boolean; result [T, N, K].
    """
    steps = rollout.trajectory
    future = torch.where(steps.terminated.unsqueeze(-1), 0.0, rollout.value_next)
    follows = (goes_on & ~(steps.terminated | steps.truncated)).unsqueeze(-1)
    target = torch.zeros_like(future)
    following = future[-1]
    for t in range(len(future) - 1, -1, -1):
        following = steps.reward[t].unsqueeze(-1) + gamma * torch.where(follows[t], following, future[t])
        target[t] = following
    return target


def tail_advantage(return_: Tensor, quantiles: Tensor, alpha: float) -> Tensor:
    """How far a return fell into the worst α share of what the critic expected.

    A^CVaR = min(G − VaR_α(s), 0) / α

    Shapes: return_ [N], quantiles [N, K] in any order.
    """
    value_at_risk = quantiles.quantile(alpha, dim=1)
    return (return_ - value_at_risk).clamp(max=0.0) / alpha


QUANTILE = Algorithm("ppo-quantile", QuantileConfig, iterate, quantiles=lambda config: config.quantiles)
