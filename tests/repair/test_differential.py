"""A fix that is called verified computes what was meant: value and gradients of the unfaulted loss on random batches.

`python -m tests.repair` does this for the whole corpus.
"""

from __future__ import annotations

import pytest

from tests.corpus import catalogue, helper_catalogue, mutation
from tests.repair.differential import repair_of_fault, repair_of_mutant, repair_of_program
from tests.targets import trainer_programs

WRITTEN = (*catalogue.FAULTS, *catalogue.FAULTS_LATER, *helper_catalogue.FAULTS)
FAULTS = {fault.name: fault for fault in WRITTEN}
PROGRAMS = {fault.name: fault for fault in trainer_programs.FAULTS}
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
    "advantage_as_target",
    "value_term_forgotten",
    "sequence_ratio_in_grpo",
    "response_mask_inverted",
    "controller_squared_target",
    "padded_length",
    "carry_through_ends",
    "target_through_ends",
    "multiplier_negative",
)
MUTANTS = (
    "plain_min:7:22 ratio: detached",
    "cispo_weights:10:34 mask: inverted",
    "cispo_weights:7:13 ratio: another base",
    "one_sided_clamp:9:14 surrogate: clip lost",
    "dict_config:18:30 value: coefficient forgotten",
)
AMBIGUOUS = (
    "target_from_moving_critic",
    "sample_std_of_one",
    "group_std_unguarded",
    "group_epsilon_forgotten",
    "carry_reset_on_wrong_side",
    "controller_compares_coefficient",
    "controller_never_moves",
    "controller_without_bound",
)
"""More than one edit cures, and they do not compute the same, or the only ones that do change what was right."""


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


def test_a_training_program_is_run_again_with_the_fix_and_then_learns_what_was_meant():
    repair = repair_of_program(PROGRAMS["values_broadcast"])
    assert repair is not None
    assert repair.fix
    assert repair.differs == ()


def test_the_loop_of_a_training_program_is_not_repaired():
    repair = repair_of_program(PROGRAMS["sum_not_averaged"])
    assert repair is not None
    assert not repair.fix
