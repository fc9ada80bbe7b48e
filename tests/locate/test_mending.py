"""A fault in a helper is found by editing its source; lines where the same edit does the same are named too."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings
from tests.corpus import helper_catalogue as catalogue
from tests.corpus.catalogue import lines_of, write

FAULTS = {fault.name: fault for fault in catalogue.FAULTS}


def lines_named(name: str, folder: Path) -> list[int]:
    """The lines that the finding of a fault's own rule names, in order."""
    fault = FAULTS[name]
    attribute = next(helper.attribute for helper in catalogue.HELPERS if helper.name == fault.base)
    spec = f"{write(fault, folder)}:{attribute}"
    (entry,) = audit_targets([spec], Settings(select=(fault.rule,), trials=0)).targets
    (finding,) = entry.findings
    return [place.line for place in (finding.location, *finding.alternatives) if place is not None]


@pytest.mark.parametrize(
    "name",
    ["bootstrap_through_ends", "tokens_not_turned_back"],
)
def test_an_edit_that_does_the_same_at_two_lines_is_named_at_the_one_nearer_to_the_result(name: str, tmp_path: Path):
    first, second = lines_named(name, tmp_path)
    assert first > second
    assert first in lines_of(FAULTS[name])


@pytest.mark.parametrize("name", ["log_prob_unnormalised", "rewards_to_go_not_restored"])
def test_a_bare_name_has_lost_something_where_it_is_set_and_nothing_where_it_is_returned(name: str, tmp_path: Path):
    first, *_ = lines_named(name, tmp_path)
    assert first in lines_of(FAULTS[name])


@pytest.mark.parametrize(
    "name",
    [
        "episodes_strung_together",
        "guard_lost",
        "returns_of_normalised",
        "first_answer_as_baseline",
        "log_std_as_deviation",
        "whitening_over_padding",
        "controller_without_bound",
    ],
)
def test_conditions_orders_of_lines_means_and_bounds_are_edited_as_well(name: str, tmp_path: Path):
    first, *_ = lines_named(name, tmp_path)
    assert first in lines_of(FAULTS[name])


def test_a_finding_says_which_other_lines_were_tried_in_vain(tmp_path: Path):
    fault = FAULTS["bootstrap_through_ends"]
    attribute = next(helper.attribute for helper in catalogue.HELPERS if helper.name == fault.base)
    spec = f"{write(fault, tmp_path)}:{attribute}"
    (finding,) = audit_targets([spec], Settings(select=(fault.rule,), trials=0)).targets[0].findings
    assert "none of them cures it" in str(finding.evidence["why_this_line"])
