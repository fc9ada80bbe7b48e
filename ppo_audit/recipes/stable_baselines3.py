"""Stable-Baselines3 PPO, as installed: two minibatches, two epochs, on a toy task with two action dimensions."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant

STEPS = 64
EPISODE_LENGTH = 20


def variants() -> tuple[Variant, ...]:
    """The library's defaults, and its value clipping, which is off by default."""
    return (
        Variant("default", train),
        Variant("clip_range_vf=0.2", partial(train, clip_range_vf=0.2)),
    )


def train(**settings: Any) -> object:
    """One rollout and one update; `settings` are those of PPO that differ from the library's defaults."""
    from stable_baselines3 import PPO

    sizes = {"n_steps": STEPS, "batch_size": STEPS // 2, "n_epochs": 2}
    model = PPO("MlpPolicy", toy_task(), seed=0, device="cpu", verbose=0, **(sizes | settings))
    return model.learn(total_timesteps=STEPS)


def toy_task() -> Any:
    """Each action should repeat the target point that the observation shows."""
    import gymnasium
    import numpy as np

    class RepeatThePoint(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed, options=options)
            self.age = 0
            return self.show(), {}

        def show(self) -> Any:
            self.point = self.np_random.uniform(-1, 1, 2).astype(np.float32)
            return self.point

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            reward = -float(np.square(action - self.point).sum())
            self.age += 1
            return self.show(), reward, False, self.age >= EPISODE_LENGTH, {}

    return RepeatThePoint()
