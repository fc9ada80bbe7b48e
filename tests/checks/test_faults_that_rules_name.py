"""The faults that a rule says it must flag are flagged by it, where they stand in the corpus, and say where."""

from __future__ import annotations

import pytest

from ppo_audit.rules import catalogue as rules
from tests.corpus import catalogue
from tests.test_corpus_audit import MISSED, fault_entry, owner

FAULTS = {fault.name: fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER)}
NAMED = [
    pytest.param(FAULTS[name], code, id=f"{code}-{name}")
    for code, page in rules().items()
    for name in page.rule.must_flag
    if name in FAULTS and name not in MISSED
]


@pytest.mark.parametrize(("fault", "code"), NAMED)
def test_the_rule_flags_it_or_another_finding_explains_it(fault: catalogue.Fault, code: str):
    findings = fault_entry(fault).findings
    assert any(code == finding.rule or code in finding.also for finding in findings)


@pytest.mark.parametrize(("fault", "code"), NAMED)
def test_a_finding_of_its_own_has_a_place(fault: catalogue.Fault, code: str):
    finding = owner(fault)
    assert finding is None or finding.location is not None
