"""GRPO (arXiv:2402.03300) for control: groups of episodes from one first state judge each other, without a critic.

Every episode's return is compared with those of its group; the result is the advantage of all its steps. An optional
penalty holds the policy near the one that the run began with, by exact KL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ppo_audit.reference import advantages
from ppo_audit.reference.surrogates import asymmetric_clipped_surrogate, linear_tail_ratio
from ppo_audit.reference.trainers.diagnostics import policy_change, returns_of_episodes
from ppo_audit.reference.trainers.optimise import SCHEDULES, gradient_step
from ppo_audit.reference.trainers.ppo import done, mean
from ppo_audit.reference.trainers.rollout import Trajectory, collect, policy_parameters, with_old_network
from ppo_audit.reference.trainers.samples import Samples, flattened, minibatches
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer

FIRST_CHUNK = 8  # steps before the first look at whether all episodes have ended; each next chunk is twice as long
RELATIVE_TO_GROUP: dict[str, Callable[[Tensor], Tensor]] = {
    "grpo": advantages.grpo_advantages,
    "dr_grpo": advantages.dr_grpo_advantages,
    "rloo": advantages.rloo_advantages,
}


@dataclass(frozen=True)
class GRPOConfig:
    """The options of GRPO; there are environments / group_size groups."""

    group_size: int = 8
    minibatch_size: int = 512
    epochs: int = 4
    learning_rate: float = 1e-3
    schedule: str = "constant"
    clip_range_low: float = 0.2
    clip_range_high: float = 0.2
    advantage: str = "grpo"  # or `dr_grpo`, `rloo`
    kl_coef: float = 0.0  # on the exact KL from the policy that the run began with
    max_grad_norm: float = 0.5


def iterate(trainer: Trainer) -> Metrics:
    """Whole episodes in groups, and one update on their valid steps."""
    config: GRPOConfig = trainer.config
    trainer.optimiser.learning_rate = SCHEDULES[config.schedule](config.learning_rate, done(trainer))
    trajectory, valid = collect_episodes(trainer, config.group_size)
    trainer.steps += trajectory.reward.numel()
    samples = episode_samples(trainer, trajectory, valid, config)
    losses, norms = [], []
    for _ in range(config.epochs):
        for batch in minibatches(samples, config.minibatch_size, trainer.rng):
            loss = grpo_loss(trainer, config, batch)
            losses.append(loss.item())
            norms.append(gradient_step(trainer, loss, config.max_grad_norm))
    trainer.updates += 1
    return {
        **returns_of_episodes(trainer),
        **policy_change(trainer, samples, config.clip_range_high),
        "policy_loss": mean(losses),
        "gradient_norm": max(norms),
        "zero_advantages": float((samples.advantage == 0).float().mean()),
    }


def collect_episodes(trainer: Trainer, group_size: int) -> tuple[Trajectory, Tensor]:
    """One episode in every environment, those of a group from the same first state; and which steps belong to it."""
    environments = trainer.collector.environments
    if environments.count % group_size:
        raise ValueError(f"expected environments in groups of {group_size}, got {environments.count} environments")
    seeds = trainer.rng.integers(2**31, size=environments.count // group_size).repeat(group_size)
    trainer.collector.begin(environments.reset_to([int(seed) for seed in seeds]))
    chunks: list[Trajectory] = []
    ended = torch.zeros(environments.count, dtype=torch.bool)
    while not ended.all():
        steps = FIRST_CHUNK * 2 ** min(len(chunks), 3)
        chunks.append(collect(trainer.collector, trainer.act, trainer.family, steps, trainer.rng))
        ended = ended | (chunks[-1].terminated | chunks[-1].truncated).any(0)
    joined = (None if parts[0] is None else torch.cat(parts) for parts in zip(*chunks, strict=True))
    trajectory = Trajectory._make(joined)
    return trajectory, first_episode(trajectory.terminated | trajectory.truncated)


def first_episode(ended_t: Tensor) -> Tensor:
    """Which steps come before or at the first end of their column: no end lies strictly before them. `[T, N]`."""
    return (ended_t.cumsum(0) - ended_t.long()) == 0


def episode_samples(trainer: Trainer, trajectory: Trajectory, valid: Tensor, config: GRPOConfig) -> Samples:
    """The valid steps, each with its episode's advantage in its group."""
    rollout = with_old_network(trajectory, trainer.network, trainer.family)
    reward = torch.where(valid, trajectory.reward, 0.0).sum(0).view(-1, config.group_size)
    advantage = RELATIVE_TO_GROUP[config.advantage](reward).view(1, -1).expand_as(valid)
    samples = flattened(rollout, advantage, torch.zeros_like(advantage))
    return Samples._make(None if x is None else x[valid.flatten()] for x in samples)


def grpo_loss(trainer: Trainer, config: GRPOConfig, batch: Samples) -> Tensor:
    """−E[ min(r A, clip(r) A) − β KL(π ‖ π_ref) ], every step of every episode alike.

    GRPO (arXiv:2402.03300), equation 3, with the token mean of DAPO (arXiv:2503.14476): a mean per episode would favour
    short ones. The KL is exact where the paper estimates it.
    """
    parameters = policy_parameters(trainer.network, batch.observation, batch.action_mask)
    r = linear_tail_ratio(trainer.family.log_prob(parameters, batch.action), batch.log_prob_old)
    loss = -asymmetric_clipped_surrogate(r, batch.advantage, config.clip_range_low, config.clip_range_high).mean()
    if config.kl_coef:
        with torch.no_grad():
            reference = policy_parameters(trainer.reference, batch.observation, batch.action_mask)
        loss = loss + config.kl_coef * trainer.family.kl(parameters, reference).mean()
    return loss


GRPO = Algorithm("grpo", GRPOConfig, iterate)
