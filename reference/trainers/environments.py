"""Vectors of environments that keep termination, truncation and final observations apart, and that can be resumed.

Every episode starts from a seed of its own, so the state of any deterministic environment, Box2D worlds included, is
the seed of its episode and the actions since: resuming replays them. An episode that ends restarts in the same step;
`Step.next_observation` is then still the *final* observation of the episode that ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np


class Step(NamedTuple):
    """What one step of N environments gave."""

    observation: np.ndarray  # [N, ...] to act on next: the first one of the new episode where one ended
    next_observation: np.ndarray  # [N, ...] what the step reached: the final one where an episode ended
    reward: np.ndarray  # [N]
    terminated: np.ndarray  # [N]
    truncated: np.ndarray  # [N], never together with terminated


class Environments(Protocol):
    """What the trainers ask of a vector of environments."""

    @property
    def count(self) -> int: ...
    @property
    def observation_shape(self) -> tuple[int, ...]: ...
    @property
    def action_space(self) -> Any: ...
    def reset(self, seed: int) -> np.ndarray: ...
    def reset_to(self, episode_seeds: Sequence[int]) -> np.ndarray: ...
    def step(self, action: np.ndarray) -> Step: ...
    def action_mask(self) -> np.ndarray | None: ...
    def state(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> np.ndarray: ...


def episode_seed(seed: int, environment: int, episode: int) -> int:
    """A seed for every episode of every environment, independent of the order in which episodes end."""
    return int(np.random.SeedSequence((seed, environment, episode)).generate_state(1)[0])


class GymEnvironments:
    """N copies of a gymnasium environment, stepped one after the other in this process."""

    def __init__(self, make: Callable[[], Any], count: int) -> None:
        self.count = count
        self._environments = [_flat(make()) for _ in range(count)]
        self.observation_shape = tuple(self._environments[0].observation_space.shape)
        self.action_space = self._environments[0].action_space
        self._has_mask = _mask_of(self._environments[0]) is not None
        self._seed = 0
        self._episodes = [0] * count
        self._episode_seeds = [0] * count
        self._actions: list[list[Any]] = [[] for _ in range(count)]

    def reset(self, seed: int) -> np.ndarray:
        """Start episode 0 of every environment."""
        self._seed, self._episodes = seed, [0] * self.count
        return self.reset_to([episode_seed(seed, i, 0) for i in range(self.count)])

    def reset_to(self, episode_seeds: Sequence[int]) -> np.ndarray:
        """Start one episode from each of these seeds: equal seeds give equal first states."""
        return np.stack([self._start(i, seed) for i, seed in enumerate(episode_seeds)])

    def step(self, action: np.ndarray) -> Step:
        shape = (self.count, *self.observation_shape)
        observation, next_observation = np.empty(shape, np.float32), np.empty(shape, np.float32)
        reward = np.empty(self.count, np.float32)
        terminated, truncated = np.zeros(self.count, bool), np.zeros(self.count, bool)
        for i, (environment, own) in enumerate(zip(self._environments, action, strict=True)):
            self._actions[i].append(own)
            reached, reward[i], terminated[i], timed_out, _ = environment.step(own)
            next_observation[i] = observation[i] = reached
            if terminated[i] or timed_out:
                truncated[i] = timed_out and not terminated[i]
                self._episodes[i] += 1
                observation[i] = self._start(i, episode_seed(self._seed, i, self._episodes[i]))
        return Step(observation, next_observation, reward, terminated, truncated)

    def action_mask(self) -> np.ndarray | None:
        """Which actions are allowed now, `[N, K]`, where the environment has a method `action_masks`."""
        masks = [_mask_of(environment) for environment in self._environments] if self._has_mask else []
        return np.stack([mask for mask in masks if mask is not None]) if masks else None

    def state(self) -> dict[str, Any]:
        actions = [[np.asarray(a).tolist() for a in own] for own in self._actions]
        return {
            "seed": self._seed,
            "episodes": list(self._episodes),
            "episode_seeds": list(self._episode_seeds),
            "actions": actions,
        }

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        """Replay every unfinished episode; the observations to act on next."""
        self._seed, self._episodes = state["seed"], list(state["episodes"])
        observation = self.reset_to(state["episode_seeds"])
        for i, own in enumerate(state["actions"]):
            for action in own:
                # [()] makes a scalar of an array without axes, as the first run had it
                replayed = np.asarray(action, self.action_space.dtype)[()]
                self._actions[i].append(replayed)
                observation[i] = self._environments[i].step(replayed)[0]
        return observation

    def _start(self, i: int, seed: int) -> np.ndarray:
        self._episode_seeds[i], self._actions[i] = seed, []
        return np.asarray(self._environments[i].reset(seed=seed)[0], np.float32)


def make_environments(name: str, count: int) -> Environments:
    """Environments by gymnasium id, or ours by `native/CartPole-v1`, `native/ReverseTokens`."""
    from ppo_audit.reference.trainers.cartpole import NativeCartPoles
    from ppo_audit.reference.trainers.tokens import TokenEnvironments

    native: dict[str, Callable[[int], Environments]] = {
        "native/CartPole-v1": NativeCartPoles,
        "native/ReverseTokens": TokenEnvironments,
    }
    if name in native:
        return native[name](count)
    import gymnasium

    return GymEnvironments(lambda: gymnasium.make(name, disable_env_checker=True), count)


def _flat(environment: Any) -> Any:
    """The environment with a vector of numbers as observation: dictionaries, tuples and choices are laid out flat."""
    import gymnasium

    space = environment.observation_space
    is_vector = isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1
    return environment if is_vector else gymnasium.wrappers.FlattenObservation(environment)


def _mask_of(environment: Any) -> np.ndarray | None:
    method = getattr(environment.unwrapped, "action_masks", None)
    return None if method is None else np.asarray(method(), bool)
