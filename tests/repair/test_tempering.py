"""What no edit brings to the usual form may be meant, and is told as potential; what one edit cures is a slip."""

from pathlib import Path

import pytest

from ppo_audit.findings import Severity
from ppo_audit.repair.tempering import MAY_BE_MEANT
from tests.repair.test_place import finding_of


@pytest.mark.parametrize(
    ("name", "rule"), [("entropy_of_chosen_action", "PPO403"), ("target_of_scaled_advantage", "PPO301")]
)
def test_a_form_that_no_edit_makes_the_usual_one_is_potential_and_says_why(name: str, rule: str, tmp_path: Path):
    finding = finding_of(name, rule, tmp_path)
    assert finding.severity is Severity.POTENTIAL
    assert MAY_BE_MEANT in finding.message


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("value_summed", "PPO505"),
        ("std_in_place_of_variance", "PPO411"),
        ("max_before_square", "PPO302"),
    ],
)
def test_a_slip_that_an_edit_cures_and_rules_of_more_than_form_keep_their_severity(
    name: str, rule: str, tmp_path: Path
):
    finding = finding_of(name, rule, tmp_path)
    assert finding.severity < Severity.POTENTIAL
    assert MAY_BE_MEANT not in finding.message
