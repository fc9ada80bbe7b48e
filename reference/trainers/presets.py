"""Settings that are known to solve an environment, by algorithm and gymnasium id; options given by hand win."""

from __future__ import annotations

from typing import Any

PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("ppo", "CartPole-v1"): {
        "total_steps": 100_000,
        "learning_rate": 2.5e-3,
        "rollout_steps": 128,
        "minibatch_size": 256,
        "epochs": 4,
        "gae_lambda": 0.9,
    },
}
