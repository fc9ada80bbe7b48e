"""Collecting a rollout, and what the old network said about it.

All tensors are time-major: `[T, N, ...]`. The networks' outputs are computed in one batch after the collection, by the
same torch code that the update uses; in the loop over steps only the actor runs, in NumPy.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_audit.reference.trainers.environments import Environments
from ppo_audit.reference.trainers.families import Family
from ppo_audit.reference.trainers.networks import Act, Network

RECENT_EPISODES = 100  # whose mean return is reported


class Trajectory(NamedTuple):
    """What the environments and the actor did for T steps."""

    observation: Tensor  # [T, N, ...]
    next_observation: Tensor  # [T, N, ...] what each step reached; the final observation where an episode ended
    action: Tensor  # [T, N] or [T, N, D], as drawn
    reward: Tensor  # [T, N]
    terminated: Tensor  # [T, N] boolean
    truncated: Tensor  # [T, N] boolean
    action_mask: Tensor | None  # [T, N, K] boolean


class Rollout(NamedTuple):
    """A trajectory with the old policy's distributions and the old critic's values."""

    trajectory: Trajectory
    parameters_old: Tensor  # [T, N, P]: the old *distributions*, not only their log-probabilities
    log_prob_old: Tensor  # [T, N]
    value_old: Tensor  # [T, N] or [T, N, K] quantiles
    value_next: Tensor  # the same of the next observation


@dataclass
class Collector:
    """Environments in mid-episode, and the returns of the episodes that have ended."""

    environments: Environments
    observation: np.ndarray
    running_return: np.ndarray
    running_length: np.ndarray
    finished: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RECENT_EPISODES))
    episodes: int = 0

    def state(self) -> dict[str, Any]:
        return {
            "environments": self.environments.state(),
            "running_return": self.running_return.tolist(),
            "running_length": self.running_length.tolist(),
            "finished": list(self.finished),
            "episodes": self.episodes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.observation = self.environments.restore(state["environments"])
        self.running_return = np.array(state["running_return"])
        self.running_length = np.array(state["running_length"])
        self.finished.clear()
        self.finished.extend((float(r), int(n)) for r, n in state["finished"])
        self.episodes = state["episodes"]

    def begin(self, observation: np.ndarray) -> None:
        """Go on from fresh episodes; unfinished ones are forgotten."""
        self.observation = observation
        self.running_return[:], self.running_length[:] = 0.0, 0

    def count_reward(self, reward: np.ndarray, ended: np.ndarray) -> None:
        self.running_return += reward
        self.running_length += 1
        for i in np.flatnonzero(ended):
            self.finished.append((float(self.running_return[i]), int(self.running_length[i])))
            self.episodes += 1
            self.running_return[i] = self.running_length[i] = 0


def start_collecting(environments: Environments, seed: int) -> Collector:
    """A collector at the first step of the first episodes."""
    n = environments.count
    return Collector(environments, environments.reset(seed), np.zeros(n), np.zeros(n, np.int64))


def collect(collector: Collector, act: Act, family: Family, steps: int, rng: np.random.Generator) -> Trajectory:
    """Act for T steps in every environment."""
    environments = collector.environments
    noise = family.noise(rng, (steps, environments.count))
    rows = []
    for t in range(steps):
        observation, mask = collector.observation, environments.action_mask()
        parameters = act(observation)
        if mask is not None:
            parameters = np.where(mask, parameters, -np.inf)
        action = family.sample(parameters, noise[t])
        step = environments.step(family.to_environment(action))
        collector.count_reward(step.reward, step.terminated | step.truncated)
        collector.observation = step.observation
        rows.append((observation, step.next_observation, action, step.reward, step.terminated, step.truncated, mask))
    *columns, masks = zip(*rows, strict=True)
    tensors = [torch.from_numpy(np.stack(column)) for column in columns]
    return Trajectory._make([*tensors, None if masks[0] is None else torch.from_numpy(np.stack(masks))])


def policy_parameters(network: Network, observation: Tensor, action_mask: Tensor | None) -> Tensor:
    """The parameters of the policy's distributions, with forbidden actions at −inf."""
    parameters: Tensor = network.policy(observation)
    return parameters if action_mask is None else parameters.masked_fill(~action_mask, -torch.inf)


@torch.no_grad()
def with_old_network(trajectory: Trajectory, network: Network, family: Family) -> Rollout:
    """Ask the network, before it changes, for everything that the update will compare with."""
    shape = trajectory.reward.shape
    flat = Trajectory._make(None if x is None else x.flatten(0, 1) for x in trajectory)
    parameters = policy_parameters(network, flat.observation, flat.action_mask)
    log_prob = family.log_prob(parameters, flat.action)
    value, value_next = network.value(flat.observation), network.value(flat.next_observation)
    old = (x.unflatten(0, shape) for x in (parameters, log_prob, value, value_next))
    return Rollout(trajectory, *old)
