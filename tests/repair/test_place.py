"""A verified fix has the last word on the line of its finding."""

from pathlib import Path

import pytest

from ppo_audit.api import audit
from ppo_audit.findings import Finding
from tests.corpus import catalogue


def finding_of(name: str, rule: str, folder: Path) -> Finding:
    fault = next(fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER) if fault.name == name)
    attribute = next(base.attribute for base in catalogue.CORRECT if base.name == fault.base)
    found = audit(f"{catalogue.write(fault, folder)}:{attribute}").targets[0].findings
    return next(finding for finding in found if finding.rule == rule)


@pytest.mark.parametrize(("name", "rule"), [("log_of_log_std", "PPO007"), ("scale_only", "PPO203")])
def test_a_finding_stands_at_the_line_whose_edit_is_proved_to_cure_it(name: str, rule: str, tmp_path: Path):
    finding = finding_of(name, rule, tmp_path)
    assert finding.location is not None
    assert finding.fix is not None
    assert finding.fix.edit is not None
    assert finding.location.line == finding.fix.edit.replacements[0].line
    assert finding.evidence["why_this_line"] == "No single edit of a call cures it; an edit of this line does."


def test_the_line_that_was_found_by_other_means_stays_among_the_alternatives(tmp_path: Path):
    finding = finding_of("log_of_log_std", "PPO007", tmp_path)
    assert finding.location is not None
    assert "log_stds.log()" in finding.location.code
    assert "gaussian_entropy(log_stds)" in finding.alternatives[0].code
