"""Every rule on every loss and helper of the corpus, each audited once: correct ones show their hazards, faults theirs.

The figures of the whole are those of the stored matrix, from which no cell may fall back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from ppo_audit import Severity, selftest
from ppo_audit.findings import Finding, Status
from ppo_audit.rules import catalogue as rules
from ppo_audit.selftest import Cell
from tests.corpus.catalogue import Correct, Fault

MATRIX = Path(__file__).parent / "corpus" / "matrix.json"
STORED = {each["name"]: each for each in json.loads(MATRIX.read_text())}
FAULTS = [fault for fault in selftest.ALL_FAULTS if fault.rule in rules()]
MISSED = {
    "entropy_from_taken_action": "-log p of the action taken reads as an estimate, which others use by design",
}
"""Faults that their own rule does not flag, and why; an honest list, to be shortened."""
ELSEWHERE = frozenset(
    "value_loss_of_clipped_only huber_is_flat controller_lr_like_coefficient numpy_epsilon_forgotten".split()
)
"""Faults that are found, but not on the edited line: the cure is two edits, or lies on another line as well."""
WARNS = {
    "PPO101": "under a dual clip alone a ratio beyond exp(89) is not finite",
    "PPO109": "a clamp of the log-ratio stops the gradient where it binds",
    "PPO503": "a masked mean of nothing is NaN",
    "PPO806": "a group of one answer has no baseline",
    "PPO306": "one clip range for ratio and value is the habit of openai/baselines",
    "PPO415": "exp(x) - 1 - x is how most code writes k3",
    "PPO511": "a boolean mask that is used as an index",
}
"""Rules that warn of correct losses, all of them potential, and of what."""

pytestmark = pytest.mark.filterwarnings("ignore")


def named(items: Iterable[Correct | Fault]) -> list[object]:
    return [pytest.param(item, id=item.name) for item in items]


def grave(findings: Iterable[Finding]) -> list[str]:
    return [finding.rule for finding in findings if finding.severity <= Severity.SERIOUS]


def test_every_file_is_listed_once():
    listed = sorted(correct.path for correct in selftest.ALL_CORRECT)
    folders = {path.parent for path in listed}
    assert listed == sorted(path for folder in folders for path in folder.glob("*.py"))


@pytest.mark.parametrize("correct", named(selftest.ALL_CORRECT))
def test_a_correct_target_is_judged_and_shows_its_hazards_alone(correct: Correct):
    entry = selftest.audited(correct)
    assert (entry.error, entry.kind) == (None, correct.kind)
    assert [outcome.reason for outcome in entry.outcomes if outcome.status is Status.ERRORED] == []
    assert any(outcome.status is Status.PASSED for outcome in entry.outcomes)
    assert grave(entry.findings) == list(correct.hazards)
    assert {finding.rule for finding in entry.findings} <= {*correct.hazards, *WARNS}


@pytest.mark.parametrize("fault", named(FAULTS))
def test_a_fault_is_one_finding_of_its_own_rule_at_its_line(fault: Fault):
    entry = selftest.audited(fault)
    cell = selftest.cell_of(fault, entry)
    base = next(correct for correct in selftest.ALL_CORRECT if correct.name == fault.base)
    assert set(grave(entry.findings)) <= {fault.rule, *base.hazards}
    assert cell.is_owned is (fault.name not in MISSED)
    assert cell.is_at_line is (fault.name not in ELSEWHERE | MISSED.keys())
    assert all(finding.location for finding in entry.findings)
    assert selftest.worse([STORED[fault.name]], [cell]) == []
    promised = {code for code, page in rules().items() if fault.name in page.rule.must_flag}
    flagged = {rule for finding in entry.findings for rule in (finding.rule, *finding.also)}
    assert promised <= flagged or fault.name in MISSED


def test_the_stored_matrix_is_of_the_whole_corpus_and_meets_the_goals():
    assert sorted(STORED) == sorted(each.name for each in (*selftest.ALL_CORRECT, *selftest.ALL_FAULTS))
    cells = [Cell(**each) for each in STORED.values()]
    assert selftest.figures(cells).meets_the_goal(), selftest.table(cells)
