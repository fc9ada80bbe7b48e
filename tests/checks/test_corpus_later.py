"""The faults of the rules that came second: each is a finding of its own rule alone, at the line that was edited."""

from __future__ import annotations

import pytest

from ppo_audit.findings import Status
from ppo_audit.rules import catalogue as rules
from tests.corpus import catalogue
from tests.test_corpus_audit import correct_entry, fault_entry, hazards_of, lines_named, owner, unexpected

RULES = frozenset(
    "PPO004 PPO006 PPO007 PPO105 PPO107 PPO108 PPO110 PPO112 PPO113 PPO205 PPO303 PPO304 PPO305 PPO306 PPO404 PPO413 "
    "PPO414 PPO415 PPO502 PPO505 PPO506 PPO509 PPO510 PPO511 PPO702 PPO703 PPO704".split()
)
FAULTS = [fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER) if fault.rule in RULES]
WARNS = {
    "PPO306": "one clip range for ratio and value is the habit of openai/baselines",
    "PPO415": "exp(x) - 1 - x is how most code writes k3",
    "PPO511": "a boolean mask that is used as an index",
}
"""Rules that warn of correct losses, all of them potential, and of what."""


def named(items):
    return [pytest.param(item, id=item.name) for item in items]


@pytest.mark.parametrize("fault", named(FAULTS))
class TestFaults:
    def test_its_own_rule_flags_it(self, fault: catalogue.Fault):
        assert owner(fault) is not None

    def test_nothing_else_is_a_grave_finding(self, fault: catalogue.Fault):
        assert unexpected(fault_entry(fault), (*hazards_of(fault), fault.rule)) == []

    def test_the_finding_is_at_the_edited_line(self, fault: catalogue.Fault):
        finding = owner(fault)
        assert finding is not None
        assert lines_named(finding) & catalogue.lines_of(fault)


@pytest.mark.parametrize("correct", named(catalogue.CORRECT))
def test_correct_losses_are_left_alone(correct: catalogue.Correct):
    entry = correct_entry(correct)
    flagged = {finding.rule for finding in entry.findings} & RULES
    assert flagged <= set(WARNS)
    assert not {outcome.rule for outcome in entry.outcomes if outcome.status is Status.ERRORED} & RULES


def test_every_rule_has_a_fault_and_names_it():
    assert {fault.rule for fault in FAULTS} == RULES
    for fault in FAULTS:
        assert fault.name in rules()[fault.rule].rule.must_flag


def test_figures(capsys: pytest.CaptureFixture[str]):
    found = [(fault, owner(fault)) for fault in FAULTS]
    owned = [(fault, finding) for fault, finding in found if finding is not None]
    placed = [fault for fault, finding in owned if lines_named(finding) & catalogue.lines_of(fault)]
    alone = [fault for fault, _ in owned if not unexpected(fault_entry(fault), (*hazards_of(fault), fault.rule))]
    with capsys.disabled():
        print(
            f"\nlater rules: {len(FAULTS)} faults, {len(owned)} owned, {len(alone)} alone, {len(placed)} at their line"
        )
    assert len(owned) == len(FAULTS)
