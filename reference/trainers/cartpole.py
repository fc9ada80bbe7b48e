"""CartPole-v1 for N carts at once in NumPy: the equations and limits of gymnasium's `CartPoleEnv`.

Barto, Sutton and Anderson (1983), "Neuronlike Adaptive Elements That Can Solve Difficult Learning Control Problems".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ppo_audit.reference.trainers.environments import Step, episode_seed

GRAVITY, MASS_POLE, MASS_TOTAL, HALF_LENGTH, FORCE, SECONDS = 9.8, 0.1, 1.1, 0.5, 10.0, 0.02
POSITION_LIMIT, ANGLE_LIMIT, STEP_LIMIT = 2.4, 12.0 * math.pi / 180.0, 500


def accelerate(state: np.ndarray, action: np.ndarray) -> np.ndarray:
    """One Euler step of position, velocity, angle and angular velocity; state `[4, N]`, action `[N]` of 0 and 1."""
    _, velocity, angle, spin = state
    sine, cosine = np.sin(angle), np.cos(angle)
    push = (FORCE * (2.0 * action - 1.0) + MASS_POLE * HALF_LENGTH * spin * spin * sine) / MASS_TOTAL
    moment = HALF_LENGTH * (4.0 / 3.0 - MASS_POLE / MASS_TOTAL * cosine * cosine)
    angular = (GRAVITY * sine - cosine * push) / moment
    linear = push - MASS_POLE * HALF_LENGTH / MASS_TOTAL * angular * cosine
    return state + SECONDS * np.stack([velocity, linear, spin, angular])


class NativeCartPoles:
    """N carts with the interface of `Environments`; reward 1 a step, 500 steps at most."""

    observation_shape = (4,)
    action_space = SimpleNamespace(n=2)

    def __init__(self, count: int) -> None:
        self.count = count
        self._state = np.zeros((4, count))
        self._elapsed = np.zeros(count, np.int64)
        self._episodes = [0] * count
        self._seed = 0

    def reset(self, seed: int) -> np.ndarray:
        self._seed, self._episodes = seed, [0] * self.count
        return self.reset_to([episode_seed(seed, i, 0) for i in range(self.count)])

    def reset_to(self, episode_seeds: Sequence[int]) -> np.ndarray:
        for i, seed in enumerate(episode_seeds):
            self._start(i, seed)
        return self._observation()

    def step(self, action: np.ndarray) -> Step:
        self._state = accelerate(self._state, action)
        self._elapsed += 1
        next_observation = observation = self._observation()
        terminated = (np.abs(self._state[0]) > POSITION_LIMIT) | (np.abs(self._state[2]) > ANGLE_LIMIT)
        truncated = (self._elapsed >= STEP_LIMIT) & ~terminated
        ended = np.flatnonzero(terminated | truncated)
        if len(ended):
            for i in ended:
                self._episodes[i] += 1
                self._start(int(i), episode_seed(self._seed, int(i), self._episodes[i]))
            observation = self._observation()
        return Step(observation, next_observation, np.ones(self.count, np.float32), terminated, truncated)

    def action_mask(self) -> None:
        return None

    def state(self) -> dict[str, Any]:
        return {
            "seed": self._seed,
            "episodes": list(self._episodes),
            "state": self._state.tolist(),
            "elapsed": self._elapsed.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> np.ndarray:
        self._seed, self._episodes = state["seed"], list(state["episodes"])
        self._state, self._elapsed = np.array(state["state"]), np.array(state["elapsed"])
        return self._observation()

    def _start(self, i: int, seed: int) -> None:
        self._state[:, i] = np.random.default_rng(seed).uniform(-0.05, 0.05, 4)
        self._elapsed[i] = 0

    def _observation(self) -> np.ndarray:
        return np.ascontiguousarray(self._state.T, np.float32)
