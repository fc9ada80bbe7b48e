"""PPO with the clipped surrogate (arXiv:1707.06347), for every family of actions and every network.

`update` takes the policy objective and the critic's loss as functions, so that the relatives of PPO share it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ppo_audit.reference.advantages import normalise_batch
from ppo_audit.reference.surrogates import clipped_surrogate, linear_tail_ratio
from ppo_audit.reference.trainers.diagnostics import policy_change, returns_of_episodes
from ppo_audit.reference.trainers.optimise import SCHEDULES, gradient_step
from ppo_audit.reference.trainers.rollout import Rollout, collect, with_old_network
from ppo_audit.reference.trainers.samples import Samples, minibatches, samples_of
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer
from ppo_audit.reference.values import clipped_value_loss, explained_variance, value_loss

KL_STOP = 1.5  # times the target, as in stable-baselines3 and OpenAI's Spinning Up


@dataclass(frozen=True)
class PPOConfig:
    """The options of PPO; `None` turns an option off."""

    rollout_steps: int = 128
    minibatch_size: int = 256
    epochs: int = 4
    gamma: float = 0.99
    gae_lambda: float = 0.95
    learning_rate: float = 2.5e-4
    schedule: str = "linear"  # of the learning rate; or `constant`
    clip_range: float = 0.2
    clip_schedule: str = "constant"
    value_clip_range: float | None = None
    value_coef: float = 0.5
    entropy_coef: float = 0.0
    max_grad_norm: float = 0.5
    target_kl: float | None = None  # ends the update before a step from beyond 1.5 times this exact KL
    clip_fraction_band: tuple[float, float] | None = None  # adapts the clip range
    value_warmup: int = 0  # first updates that train the critic only


class PolicyTerms(NamedTuple):
    """What a policy objective may depend on, one row a sample."""

    ratio: Tensor
    log_prob: Tensor
    advantage: Tensor  # normalised over the minibatch
    parameters: Tensor
    parameters_old: Tensor


Objective = Callable[[PolicyTerms], Tensor]  # per sample, to be maximised
CriticLoss = Callable[[Tensor, Samples], Tensor]  # (value, batch) -> per sample, to be minimised


class Losses(NamedTuple):
    """The total and its parts, each a mean over the minibatch; `kl` is exact, from the old policy."""

    total: Tensor
    policy: Tensor
    value: Tensor
    kl: Tensor | None


def iterate(trainer: Trainer) -> Metrics:
    """One rollout and one update."""
    config: PPOConfig = trainer.config
    rollout = next_rollout(trainer, config.rollout_steps)
    samples = samples_of(rollout, config.gamma, config.gae_lambda)
    clip_range = SCHEDULES[config.clip_schedule](trainer.adaptive.get("clip_range", config.clip_range), done(trainer))
    objective = lambda terms: clipped_surrogate(terms.ratio, terms.advantage, clip_range)
    metrics = learn(trainer, config, samples, objective, critic_of(config))
    metrics["explained_variance"] = explained_variance(samples.value_old, samples.return_).item()
    metrics["clip_range"] = clip_range
    if config.clip_fraction_band is not None:
        adapt_clip_range(trainer, metrics["clip_fraction"], config.clip_fraction_band)
    return metrics


def next_rollout(trainer: Trainer, steps: int) -> Rollout:
    """Act for so many steps in every environment, and ask the network about them before it changes."""
    trajectory = collect(trainer.collector, trainer.act, trainer.family, steps, trainer.rng)
    trainer.steps += trajectory.reward.numel()
    return with_old_network(trajectory, trainer.network, trainer.family)


def learn(
    trainer: Trainer, config: PPOConfig, samples: Samples, objective: Objective, critic_loss: CriticLoss
) -> Metrics:
    """One update on the samples of one rollout, and its metrics."""
    trainer.optimiser.learning_rate = SCHEDULES[config.schedule](config.learning_rate, done(trainer))
    seen, norms = update(trainer, config, samples, objective, critic_loss)
    trainer.updates += 1
    return {
        **returns_of_episodes(trainer),
        **summary(seen, norms),
        **policy_change(trainer, samples, config.clip_range),
    }


def update(
    trainer: Trainer, config: PPOConfig, samples: Samples, objective: Objective, critic_loss: CriticLoss
) -> tuple[list[Losses], list[float]]:
    """The gradient steps of one update; it ends early where the exact KL has gone too far."""
    seen: list[Losses] = []
    norms: list[float] = []
    for _ in range(config.epochs):
        for batch in minibatches(samples, config.minibatch_size, trainer.rng):
            losses = ppo_losses(trainer, config, batch, objective, critic_loss)
            # `not <=`, so that a NaN stops the update too
            if losses.kl is not None and config.target_kl and not losses.kl <= KL_STOP * config.target_kl:
                return seen, norms
            loss = config.value_coef * losses.value if trainer.updates < config.value_warmup else losses.total
            norms.append(gradient_step(trainer, loss, config.max_grad_norm))
            seen.append(Losses._make(None if x is None else x.detach() for x in losses))
    return seen, norms


def ppo_losses(
    trainer: Trainer, config: PPOConfig, batch: Samples, objective: Objective, critic_loss: CriticLoss
) -> Losses:
    """L = −L^CLIP + c₁ L^VF − c₂ S: PPO, equation 9, on one minibatch."""
    family = trainer.family
    parameters, value = trainer.network(batch.observation)
    if batch.action_mask is not None:
        parameters = parameters.masked_fill(~batch.action_mask, -torch.inf)
    log_prob = family.log_prob(parameters, batch.action)
    ratio = linear_tail_ratio(log_prob, batch.log_prob_old)
    advantage = normalise_batch(batch.advantage)
    policy = -objective(PolicyTerms(ratio, log_prob, advantage, parameters, batch.parameters_old)).mean()
    critic = critic_loss(value, batch).mean()
    total = policy + config.value_coef * critic
    if config.entropy_coef:
        total = total - config.entropy_coef * family.entropy(parameters).mean()
    kl = None if not config.target_kl else family.kl(batch.parameters_old, parameters.detach()).mean()
    return Losses(total, policy, critic, kl)


def critic_of(config: PPOConfig) -> CriticLoss:
    """The squared error, clipped around the old values where a range is given."""
    clip = config.value_clip_range
    if clip is None:
        return lambda value, batch: value_loss(value, batch.return_)
    return lambda value, batch: clipped_value_loss(value, batch.value_old, batch.return_, clip)


def done(trainer: Trainer) -> float:
    """The share of the run that lay behind when the newest rollout began: 0 in the first update, never 1."""
    return trainer.updates * trainer.steps / ((trainer.updates + 1) * trainer.total_steps)


def adapt_clip_range(trainer: Trainer, clip_fraction: float, band: tuple[float, float]) -> None:
    """Hold the clip fraction inside its band: widen the range above it, narrow it below, at most to double and half.

    Widening lowers the fraction, so this feedback is negative; the opposite choice runs away to its bound.
    """
    base: float = trainer.config.clip_range
    now = trainer.adaptive.get("clip_range", base)
    factor = 1.1 if clip_fraction > band[1] else 1.0 / 1.1 if clip_fraction < band[0] else 1.0
    trainer.adaptive["clip_range"] = min(max(now * factor, base / 2.0), base * 2.0)


def summary(seen: list[Losses], norms: list[float]) -> Metrics:
    """Means over the minibatches of an update; NaN where it took no step."""
    finite = [norm for norm in norms if math.isfinite(norm)]
    return {
        "policy_loss": mean([losses.policy.item() for losses in seen]),
        "value_loss": mean([losses.value.item() for losses in seen]),
        "gradient_norm": mean(finite),
        "nonfinite_gradients": float(len(norms) - len(finite)),
        "gradient_steps": float(len(norms)),
    }


def mean(values: list[float]) -> float:
    """The mean; NaN of nothing."""
    return sum(values) / len(values) if values else math.nan


PPO = Algorithm("ppo", PPOConfig, iterate)
