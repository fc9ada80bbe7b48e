"""sb3-contrib's PPO with action masks and PPO with an LSTM, as installed: two minibatches, two epochs."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant
from ppo_audit.recipes.tasks import choose_the_largest, repeat_the_point

STEPS = 64
SIZES = {"n_steps": STEPS, "batch_size": STEPS // 2, "n_epochs": 2}
QUIET = {"seed": 0, "device": "cpu", "verbose": 0}


def maskable_ppo() -> tuple[Variant, ...]:
    """The library's defaults, and its value clipping, which is off by default."""
    return (
        Variant("default", train_with_masks),
        Variant("clip_range_vf=0.2", partial(train_with_masks, clip_range_vf=0.2)),
    )


def recurrent_ppo() -> tuple[Variant, ...]:
    """The library's defaults, and its value clipping, which is off by default."""
    return (
        Variant("default", train_recurrently),
        Variant("clip_range_vf=0.2", partial(train_recurrently, clip_range_vf=0.2)),
    )


def train_with_masks(**settings: Any) -> object:
    """One rollout and one update with an invalid action at every step; `settings` differ from the defaults."""
    from sb3_contrib import MaskablePPO

    model = MaskablePPO("MlpPolicy", choose_the_largest(), **(SIZES | QUIET | settings))
    return model.learn(total_timesteps=STEPS)


def train_recurrently(**settings: Any) -> object:
    """One rollout and one update over padded sequences, since episodes are of another length than minibatches."""
    from sb3_contrib import RecurrentPPO

    policy = {"lstm_hidden_size": 16}
    model = RecurrentPPO("MlpLstmPolicy", repeat_the_point(), policy_kwargs=policy, **(SIZES | QUIET | settings))
    return model.learn(total_timesteps=STEPS)
