"""How good a policy is: whole episodes, from seeds that training never used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ppo_audit.reference.trainers.environments import episode_seed
from ppo_audit.reference.trainers.families import Family
from ppo_audit.reference.trainers.networks import Act
from ppo_audit.reference.trainers.trainer import Setup, Trainer, environments_for

EVALUATION_SEED_OFFSET = 1_000_003


@dataclass(frozen=True)
class Evaluation:
    """Returns and lengths, one an episode."""

    returns: tuple[float, ...]
    lengths: tuple[int, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.returns))

    @property
    def deviation(self) -> float:
        return float(np.std(self.returns))


def most_likely(family: Family, rng: np.random.Generator) -> Act:
    """The mode of every distribution."""
    return family.mode


def sampled(family: Family, rng: np.random.Generator) -> Act:
    """A draw from every distribution."""
    return lambda parameters: family.sample(parameters, family.noise(rng, parameters.shape[:-1]))


Chooser = Callable[[Family, np.random.Generator], Act]


def evaluate_policy(trainer: Trainer, episodes: int, choose: Chooser = most_likely, seed: int = 0) -> Evaluation:
    """Run exactly this many episodes side by side, each from its own seed; short ones do not crowd out long ones."""
    setup: Setup = replace(trainer.setup, environments=episodes)
    environments = environments_for(setup)
    first = seed + EVALUATION_SEED_OFFSET
    observation = environments.reset_to([episode_seed(first, i, 0) for i in range(episodes)])
    action_of = choose(trainer.family, np.random.default_rng(first))
    returns, lengths, running = np.zeros(episodes), np.zeros(episodes, np.int64), np.ones(episodes, bool)
    while running.any():
        parameters, mask = trainer.act(observation), environments.action_mask()
        if mask is not None:
            parameters = np.where(mask, parameters, -np.inf)
        step = environments.step(trainer.family.to_environment(action_of(parameters)))
        returns += step.reward * running
        lengths += running
        running &= ~(step.terminated | step.truncated)
        observation = step.observation
    return Evaluation(tuple(returns.tolist()), tuple(lengths.tolist()))
