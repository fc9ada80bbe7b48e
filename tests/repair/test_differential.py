"""A fix that is called verified computes what was meant: value and gradients of the unfaulted loss on random batches.

`python -m tests.repair` does this for the whole corpus.
"""

from __future__ import annotations

import pytest

from tests.corpus import catalogue, mutation
from tests.repair.differential import repair_of_fault, repair_of_mutant

FAULTS = {fault.name: fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER)}
REPAIRED = (
    "max_for_min",
    "advantage_not_detached",
    "stale_value",
    "entropy_in_objective_subtracted",
    "padding_weighs_in",
    "error_clamped",
    "coefficients_swapped",
    "min_for_max_in_guard",
    "value_clip_around_target",
)
MUTANTS = (
    "plain_min:7:22 ratio: detached",
    "cispo_weights:10:34 mask: inverted",
    "cispo_weights:7:13 ratio: another base",
    "one_sided_clamp:9:14 surrogate: clip lost",
)
AMBIGUOUS = ("target_from_moving_critic", "sample_std_of_one", "group_std_unguarded")
"""More than one edit cures, and they do not compute the same."""


@pytest.mark.parametrize("name", REPAIRED)
def test_a_verified_fix_is_what_was_meant(name: str):
    repair = repair_of_fault(FAULTS[name])
    assert repair is not None
    assert repair.fix
    assert repair.differs == ()


@pytest.mark.parametrize("name", MUTANTS)
def test_so_does_that_of_a_generated_fault(name: str):
    repair = repair_of_mutant(next(mutant for mutant in mutation.sample() if mutant.name == name))
    assert repair is not None
    assert repair.fix
    assert repair.differs == ()


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_where_cures_differ_none_is_called_verified(name: str):
    repair = repair_of_fault(FAULTS[name])
    assert repair is not None
    assert not repair.fix
