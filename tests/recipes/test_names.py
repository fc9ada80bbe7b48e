"""A trainer is known by the name under which it is imported, and by its library's."""

import importlib

import pytest

from ppo_audit import recipes
from ppo_audit.errors import UsageError
from ppo_audit.recipes import RECIPES, TRAINERS, Recipe, variants_of


@pytest.mark.parametrize("spec", TRAINERS)
def test_a_recipe_is_a_function_that_names_its_variants(spec):
    recipe = TRAINERS[spec]
    variants = getattr(importlib.import_module(f"ppo_audit.recipes.{recipe.module}"), recipe.function)()
    assert len({variant.name for variant in variants}) == len(variants) > 0


def test_the_name_of_the_library_is_enough():
    assert RECIPES["skrl:PPO"] is RECIPES["skrl.agents.torch.ppo:PPO"]


def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(recipes.RECIPES, "no_such_library:PPO", Recipe("skrl", "ppo", "no-such-library"))
    with pytest.raises(UsageError, match="pip install no-such-library"):
        variants_of("no_such_library:PPO")
