"""Probe environments after Andy Jones: each adds one thing that can break, so the first that fails tells which."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces


class Probe(gymnasium.Env):
    """Episodes of a few steps; `observe` and `reward` say what is seen and earned."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = spaces.Discrete(2)
    length = 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed = 0
        self.shown = self.observe()
        return self.shown, {}

    def step(self, action):
        reward = self.reward(action)
        self.elapsed += 1
        self.shown = self.observe()
        return self.shown, float(reward), self.elapsed >= self.length, False, {}

    def observe(self):
        return np.zeros(1, np.float32)

    def reward(self, action):
        return 1.0


class ConstantReward(Probe):
    """Only the critic's bias matters: V = 1."""


class SeenReward(Probe):
    """The critic must read the observation: V(o) = o."""

    def observe(self):
        return np.array([self.np_random.choice([-1.0, 1.0])], np.float32)

    def reward(self, action):
        return self.shown[0]


class DelayedReward(Probe):
    """The reward comes one step later: V of the first state is γ."""

    length = 2

    def observe(self):
        return np.array([self.elapsed], np.float32)

    def reward(self, action):
        return float(self.elapsed == 1)


class ActionReward(Probe):
    """The policy must learn: action 1 is right."""

    def reward(self, action):
        return 1.0 if action == 1 else -1.0


class SeenActionReward(SeenReward):
    """The policy must read the observation: its sign is the right action."""

    def reward(self, action):
        return 1.0 if (self.shown[0] > 0) == (action == 1) else -1.0


class EndlessReward(Probe):
    """Reward 1 for ever, cut off every 10 steps: V = 1 / (1 − γ), unless truncation is taken for termination."""

    def step(self, action):
        self.elapsed += 1
        return self.observe(), 1.0, False, self.elapsed >= 10, {}


class MaskedActionReward(Probe):
    """Four actions of which two are forbidden, the best-paid among them."""

    action_space = spaces.Discrete(4)

    def action_masks(self):
        return np.array([True, False, True, False])

    def reward(self, action):
        assert self.action_masks()[action], "a forbidden action was taken"
        return [0.0, 10.0, 1.0, 10.0][action]


class TwoChoices(Probe):
    """Two choices at once: both must be right."""

    action_space = spaces.MultiDiscrete([2, 3])

    def reward(self, action):
        return float(action[0] == 1) + float(action[1] == 2)


class Target(Probe):
    """A continuous action, best at (0.5, -0.5)."""

    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def reward(self, action):
        return -float(np.square(action - np.array([0.5, -0.5])).sum())


class Risk(Probe):
    """Action 0 pays 0.5 for sure, action 1 pays 2, or -3 once in five times: 1 on average, -3 at worst."""

    def reward(self, action):
        return 0.5 if action == 0 else (-3.0 if self.np_random.random() < 0.2 else 2.0)


PROBES = [
    ConstantReward,
    SeenReward,
    DelayedReward,
    ActionReward,
    SeenActionReward,
    EndlessReward,
    MaskedActionReward,
    TwoChoices,
    Target,
    Risk,
]


def register() -> None:
    """Make the probes known to gymnasium as `Probe<name>-v0`."""
    for probe in PROBES:
        name = f"Probe{probe.__name__}-v0"
        if name not in gymnasium.registry:
            gymnasium.register(name, probe)
