"""Stable-Baselines3 PPO, as installed: two minibatches, two epochs, on a toy task with two action dimensions."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import repeat_the_point

STEPS = 64


def ppo() -> tuple[Variant, ...]:
    """The library's defaults, and its value clipping, which is off by default."""
    return (
        Variant("default", train),
        Variant("clip_range_vf=0.2", partial(train, clip_range_vf=0.2)),
    )


def train(**settings: Any) -> object:
    """One rollout and one update; `settings` are those of PPO that differ from the library's defaults."""
    from stable_baselines3 import PPO

    sizes = {"n_steps": STEPS, "batch_size": STEPS // 2, "n_epochs": 2}
    model = PPO("MlpPolicy", repeat_the_point(), seed=0, device="cpu", verbose=0, **(sizes | settings))
    return model.learn(total_timesteps=STEPS)
