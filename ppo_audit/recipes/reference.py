"""The reference trainers: two small updates of each, one variant for every form that its loss can take."""

from __future__ import annotations

from functools import partial
from typing import Any

from ppo_audit.recipes import Variant

CARTPOLE, TOKENS, PENDULUM = "native/CartPole-v1", "native/ReverseTokens", "Pendulum-v1"
MASKED = "ppo-audit/MaskedChoices-v0"
SIZES = {"environments": 8, "rollout_steps": 32, "minibatch_size": 128, "hidden": (8, 8)}
UPDATES = 2


def ppo() -> tuple[Variant, ...]:
    """Every family of actions, every network, and the options that add to the loss."""
    everything = {"entropy_coef": 0.01, "value_clip_range": 0.2, "target_kl": 0.05}
    return (
        _variant("shared network, entropy, value clip and KL stop", "ppo", CARTPOLE, network="shared", **everything),
        _variant("transformer", "ppo", CARTPOLE, network="transformer"),
        _variant("multi-discrete with masks", "ppo", MASKED, entropy_coef=0.01),
        _variant("squashed Gaussian", "ppo", PENDULUM, policy="squashed"),
    )


def ppo_kl() -> tuple[Variant, ...]:
    return (_variant("Gaussian", "ppo-kl", PENDULUM, entropy_coef=0.01),)


def quantile() -> tuple[Variant, ...]:
    return (_variant("CVaR objective", "ppo-quantile", CARTPOLE, cvar_weight=0.5),)


def awr() -> tuple[Variant, ...]:
    return (_variant("discrete", "ppo-awr", CARTPOLE),)


def trpo() -> tuple[Variant, ...]:
    return (_variant("discrete", "trpo", CARTPOLE),)


def grpo() -> tuple[Variant, ...]:
    sizes = {"environments": 8, "minibatch_size": 128, "hidden": (8, 8)}
    return (Variant("with KL penalty", partial(train, "grpo", CARTPOLE, sizes | {"kl_coef": 0.1})),)


def token_grpo() -> tuple[Variant, ...]:
    sizes = {"environments": 128, "minibatch_size": 128, "hidden": (16,), "network": "tokens", "kl_coef": 0.0}
    forms: dict[str, dict[str, Any]] = {
        "mean of each sequence": {},
        "mean over tokens, with KL penalty": {"reduction": "token", "clip_range_high": 0.28, "kl_coef": 0.04},
    }
    return tuple(
        Variant(name, partial(train, "grpo-tokens", TOKENS, sizes | options)) for name, options in forms.items()
    )


def _variant(name: str, algorithm: str, environment: str, **options: Any) -> Variant:
    return Variant(name, partial(train, algorithm, environment, SIZES | options))


def train(algorithm: str, environment: str, options: dict[str, Any]) -> None:
    """Two updates by the functions behind `ppo-audit train`, without its files."""
    from ppo_audit.reference.train import algorithm as named
    from ppo_audit.reference.train import begin

    if environment == MASKED:
        register()
    trainer = begin(algorithm, environment, total_steps=10_000, options=options)
    for _ in range(UPDATES):
        named(algorithm).iterate(trainer)


def register() -> None:
    """Make the task of two choices known to gymnasium: both should point where the observation does."""
    import gymnasium
    import numpy as np

    class MaskedChoices(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
        action_space = gymnasium.spaces.MultiDiscrete([2, 3])

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed, options=options)
            self.age = 0
            return self.show(), {}

        def show(self) -> Any:
            self.shown = self.np_random.uniform(-1, 1, 2).astype(np.float32)
            return self.shown

        def action_masks(self) -> Any:
            """The middle of the second choice is forbidden."""
            return np.array([True, True, True, False, True])

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            reward = sum(float((x > 0) == (a > 0)) for x, a in zip(self.shown, action, strict=True))
            self.age += 1
            return self.show(), reward, False, self.age >= 10, {}

    def make(**options: Any) -> gymnasium.Env[Any, Any]:
        return MaskedChoices()

    if MASKED not in gymnasium.registry:
        gymnasium.register(MASKED, make)
