"""Recipes: how to start one short training of a known library, so that its loss can be recorded.

A trainer class cannot be called on made-up tensors; it needs an environment, a policy and a few steps before its loss
is reached. A recipe is a function without arguments that returns a `tuple[Variant, ...]`, one file a library: the
settings that compute different losses. It never touches the library's code, and imports it only when a variant starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from ppo_audit.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """Where the recipe is, a function of a module of this package, and the distribution that `pip` installs."""

    module: str
    function: str
    distribution: str


TRAINERS = {
    "stable_baselines3:PPO": Recipe("stable_baselines3", "ppo", "stable-baselines3"),
    "sb3_contrib:MaskablePPO": Recipe("sb3_contrib", "maskable_ppo", "sb3-contrib"),
    "sb3_contrib:RecurrentPPO": Recipe("sb3_contrib", "recurrent_ppo", "sb3-contrib"),
    "skrl.agents.torch.ppo:PPO": Recipe("skrl", "ppo", "skrl"),
    "rsl_rl.algorithms:PPO": Recipe("rsl_rl", "ppo", "rsl-rl-lib"),
    "torchrl.objectives:ClipPPOLoss": Recipe("torchrl", "clip_ppo", "torchrl"),
    "tianshou.algorithm:PPO": Recipe("tianshou", "ppo", "tianshou"),
    "trl:GRPOTrainer": Recipe("trl", "grpo", "trl"),
    "trl:RLOOTrainer": Recipe("trl", "rloo", "trl"),
}
"""Target spec, as the trainer is imported -> how to start it."""

REFERENCE = {
    f"ppo_audit.reference.trainers.{place}": Recipe("reference", function, "ppo-audit[train]")
    for place, function in {
        "ppo:PPO": "ppo",
        "ppo_kl:PPO_KL": "ppo_kl",
        "quantile:QUANTILE": "quantile",
        "awr:AWR": "awr",
        "trpo:TRPO": "trpo",
        "grpo:GRPO": "grpo",
        "token_grpo:TOKEN_GRPO": "token_grpo",
    }.items()
}
"""The reference trainers, which are audited like anybody's."""

SHORT = {
    f"{spec.partition('.')[0]}:{spec.partition(':')[2]}": recipe
    for spec, recipe in TRAINERS.items()
    if "." in spec.partition(":")[0]
}
"""The same by the name of the library alone: `skrl:PPO`."""

RECIPES = TRAINERS | SHORT | REFERENCE


@dataclass(frozen=True)
class Variant:
    """One setting of a trainer: how a report calls it, and what builds the trainer and runs its first update."""

    name: str
    start: Callable[[], object]


def variants_of(spec: str) -> tuple[Variant, ...]:
    """The variants of a trainer that has a recipe; raises UsageError where its library is missing."""
    recipe = RECIPES[spec]
    try:
        importlib.import_module(spec.partition(":")[0])
    except ModuleNotFoundError as error:
        raise UsageError(
            f"`{spec}` cannot be imported: {error}. "
            f"Install it where ppo-audit runs: `pip install {recipe.distribution}`."
        ) from error
    variants: tuple[Variant, ...] = getattr(importlib.import_module(f"{__name__}.{recipe.module}"), recipe.function)()
    return variants
