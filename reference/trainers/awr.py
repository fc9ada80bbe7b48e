"""PPO mixed with advantage-weighted imitation of its own rollouts (AWR, arXiv:1910.00177), its share monitored.

The two gradients are compared, not only the two losses: a loss of the same size can push ten times as hard.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ppo_audit.reference.advantages import awr_weights
from ppo_audit.reference.surrogates import clipped_surrogate
from ppo_audit.reference.trainers.ppo import (
    Objective,
    PolicyTerms,
    PPOConfig,
    critic_of,
    learn,
    next_rollout,
    ppo_losses,
)
from ppo_audit.reference.trainers.samples import Samples, minibatches, samples_of
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer
from ppo_audit.reference.values import explained_variance

WARNS, DOMINATES = 1.0, 2.0  # BC/PPO gradient ratio


@dataclass(frozen=True)
class AWRConfig:
    """PPO's options, and those of the imitation term."""

    ppo: PPOConfig = field(default_factory=PPOConfig)
    bc_coef: float = 0.1
    temperature: float = 1.0  # of normalised advantages: at 5 the weights are nearly flat
    weight_cap: float = 20.0


def iterate(trainer: Trainer) -> Metrics:
    """One rollout and one update."""
    config: AWRConfig = trainer.config
    samples = samples_of(next_rollout(trainer, config.ppo.rollout_steps), config.ppo.gamma, config.ppo.gae_lambda)
    clip, imitate = clipped_objective(config), imitation_objective(config)
    ratio = gradient_ratio(trainer, config, samples)
    both = lambda terms: clip(terms) + imitate(terms)
    metrics = learn(trainer, config.ppo, samples, both, critic_of(config.ppo))
    return {
        **metrics,
        "explained_variance": explained_variance(samples.value_old, samples.return_).item(),
        "bc_ppo_ratio": ratio,
        "bc_warns": float(ratio > WARNS),
        "bc_dominates": float(ratio > DOMINATES),
    }


def clipped_objective(config: AWRConfig) -> Objective:
    """PPO's own part."""
    return lambda terms: clipped_surrogate(terms.ratio, terms.advantage, config.ppo.clip_range)


def imitation_objective(config: AWRConfig) -> Objective:
    """c min(exp(Â / β), w_max) log π(a|s), per sample."""

    def objective(terms: PolicyTerms) -> Tensor:
        return config.bc_coef * awr_weights(terms.advantage, config.temperature, config.weight_cap) * terms.log_prob

    return objective


def gradient_ratio(trainer: Trainer, config: AWRConfig, samples: Samples) -> float:
    """‖∇ imitation‖ / ‖∇ PPO‖ on one minibatch, before the update; the policy terms alone."""
    batch = next(minibatches(samples, config.ppo.minibatch_size, trainer.rng))
    norms = []
    for objective in (imitation_objective(config), clipped_objective(config)):
        losses = ppo_losses(trainer, config.ppo, batch, objective, critic_of(config.ppo))
        gradients = torch.autograd.grad(losses.policy, list(trainer.network.parameters()), allow_unused=True)
        norms.append(torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt().item())
    return norms[0] / max(norms[1], 1e-12)


AWR = Algorithm("ppo-awr", AWRConfig, iterate)
