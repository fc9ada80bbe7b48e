"""Recipes: how to start one short training of a known library, so that its loss can be recorded.

A trainer class cannot be called on made-up tensors; it needs an environment, a policy and a few steps before its loss
is reached. A recipe is a module with one function, `variants() -> tuple[Variant, ...]`: the settings of the library
that compute different losses. It never touches the library's code, and imports it only when a variant starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

RECIPES = {"stable_baselines3:PPO": "ppo_audit.recipes.stable_baselines3"}
"""Target spec -> name of the module that knows how to start it."""


@dataclass(frozen=True)
class Variant:
    """One setting of a trainer: how a report calls it, and what builds the trainer and runs its first update."""

    name: str
    start: Callable[[], object]
