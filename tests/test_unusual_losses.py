"""Honest losses in unusual forms stay silent at or above serious, apart from the unguarded ratio."""

import ast
from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity, Status
from ppo_audit.settings import Settings

FILE = Path(__file__).parent / "corpus" / "unusual.py"
NAMES = [node.name for node in ast.parse(FILE.read_text()).body if isinstance(node, ast.FunctionDef)]
NAMES.append("Annealed.loss")


@pytest.mark.parametrize("name", NAMES)
def test_an_honest_form_is_judged_and_is_no_fault(name):
    (target,) = audit(f"{FILE}:{name}", Settings(trials=0)).targets
    grave = {finding.rule for finding in target.findings if finding.severity <= Severity.SERIOUS}
    assert target.error is None
    assert grave <= {"PPO101"}
    assert not [outcome for outcome in target.outcomes if outcome.status is Status.ERRORED]


def test_an_option_that_shows_only_beside_another_one_is_not_dead():
    (target,) = audit(f"{FILE}:scaled_by_workers", select=("PPO007",)).targets
    assert [outcome.status for outcome in target.outcomes if outcome.rule == "PPO007"] == [Status.PASSED]
