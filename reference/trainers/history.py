"""Environments whose observation is the recent history of observations and actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ppo_audit.reference.trainers.environments import Environments, Step


class HistoryEnvironments:
    """The last K steps as one observation `[K, F]`, F = (1 if the step exists, observation, previous action).

    The newest step stands last; rows before the episode's start are zero. A history never crosses an episode's border.
    """

    def __init__(self, environments: Environments, length: int) -> None:
        self._inner = environments
        self._choices = int(getattr(environments.action_space, "n", 0))
        actions = self._choices or int(np.prod(environments.action_space.shape))
        self._observed = environments.observation_shape[0]
        self.count, self.action_space = environments.count, environments.action_space
        self.observation_shape = (length, 1 + self._observed + actions)
        self._window = np.zeros((self.count, *self.observation_shape), np.float32)

    def reset(self, seed: int) -> np.ndarray:
        return self._begin(self._inner.reset(seed))

    def reset_to(self, episode_seeds: Sequence[int]) -> np.ndarray:
        return self._begin(self._inner.reset_to(episode_seeds))

    def step(self, action: np.ndarray) -> Step:
        step = self._inner.step(action)
        reached = np.roll(self._window, -1, axis=1)
        reached[:, -1] = self._row(step.next_observation, self._encode(action))
        self._window = reached.copy()
        ended = step.terminated | step.truncated
        self._window[ended] = 0.0
        self._window[ended, -1] = self._row(step.observation[ended], 0.0)
        return step._replace(observation=self._window.copy(), next_observation=reached)

    def action_mask(self) -> np.ndarray | None:
        return self._inner.action_mask()

    def state(self) -> dict[str, Any]:
        return {"inner": self._inner.state(), "window": self._window.tolist()}

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        self._inner.restore(state["inner"])
        self._window = np.array(state["window"], np.float32)
        return self._window.copy()

    def _begin(self, observation: np.ndarray) -> np.ndarray:
        self._window[:] = 0.0
        self._window[:, -1] = self._row(observation, 0.0)
        return self._window.copy()

    def _encode(self, action: np.ndarray) -> np.ndarray:
        return encoded(action, self._choices).reshape(self.count, -1)

    def _row(self, observation: np.ndarray, action: np.ndarray | float) -> np.ndarray:
        row = np.zeros((len(observation), self.observation_shape[1]), np.float32)
        row[:, 0], row[:, 1 : 1 + self._observed], row[:, 1 + self._observed :] = 1.0, observation, action
        return row


def encoded(action: np.ndarray, choices: int) -> np.ndarray:
    """Discrete actions as one-hot vectors; continuous ones as they are. `choices` is 0 for continuous ones."""
    return np.eye(choices, dtype=np.float32)[action] if choices else action.astype(np.float32)


def window_rows(observation: np.ndarray, action: np.ndarray, choices: int) -> np.ndarray:
    """The rows that episodes `[T, N, ...]` from their first step leave in a window: `[T, N, F]`."""
    previous = encoded(action, choices)[:-1]
    before = np.concatenate([np.zeros_like(previous[:1]), previous])
    exists = np.ones((*observation.shape[:2], 1), np.float32)
    return np.concatenate([exists, observation, before], -1)
