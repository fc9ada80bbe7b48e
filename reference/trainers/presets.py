"""Settings that are known to solve an environment, by algorithm and gymnasium id; options given by hand win."""

from __future__ import annotations

from typing import Any

PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("ppo", "CartPole-v1"): {
        "total_steps": 98_304,
        "learning_rate": 2.5e-3,
        "gamma": 0.98,
    },
    ("ppo-kl", "CartPole-v1"): {
        "total_steps": 98_304,
        "learning_rate": 2.5e-3,
        "gamma": 0.98,
    },
    ("ppo-awr", "CartPole-v1"): {
        "total_steps": 98_304,
        "learning_rate": 2.5e-3,
        "gamma": 0.98,
    },
    ("ppo-quantile", "CartPole-v1"): {
        "total_steps": 98_304,
        "learning_rate": 1e-3,
        "epochs": 10,
        "gamma": 0.98,
        "quantiles": 16,
        "kappa": 20.0,  # in units of return, which reaches 50 here: at 1 the critic's steps are all of one size
        "value_coef": 4.0,
    },
    ("trpo", "CartPole-v1"): {
        "total_steps": 98_304,
        "gamma": 0.98,
    },
    ("grpo", "CartPole-v1"): {
        "total_steps": 300_000,
        "environments": 16,
    },
    ("grpo-tokens", "ReverseTokens"): {
        "total_steps": 400_000,
        "environments": 256,
        "network": "tokens",
        "hidden": (32, 32),
        "learning_rate": 1e-3,
        "clip_range_high": 0.28,
        "kl_coef": 0.01,  # from the start's policy, nearly uniform: else a wrong answer may become certain
    },
    ("ppo", "Acrobot-v1"): {
        "total_steps": 491_520,
        "environments": 16,
        "rollout_steps": 256,
        "minibatch_size": 256,
        "learning_rate": 1e-3,
        "gae_lambda": 0.94,
    },
    ("ppo", "Pendulum-v1"): {
        "total_steps": 98_304,
        "environments": 4,
        "rollout_steps": 1024,
        "minibatch_size": 64,
        "epochs": 20,
        "gamma": 0.9,
        "learning_rate": 1e-3,
    },
    ("ppo", "LunarLander-v3"): {
        "total_steps": 983_040,
        "environments": 16,
        "rollout_steps": 1024,
        "minibatch_size": 256,
        "epochs": 4,
        "gamma": 0.999,
        "gae_lambda": 0.98,
        "learning_rate": 1e-3,
        "entropy_coef": 0.01,
    },
}
