"""JUnit XML validates, and CI servers see the same verdict as the exit code."""

from __future__ import annotations

import dataclasses

import pytest
from junitparser import JUnitXml, TestCase
from syrupy.assertion import SnapshotAssertion

from ppo_audit.findings import Report, Severity
from ppo_audit.reports import junit
from tests.reports.samples import LOSS, REPORTS, TRAPS, many, report, with_text
from tests.reports.schemas import JUNIT


def read(given: Report) -> JUnitXml:
    text = junit.render(given)
    JUNIT.validate(text)
    return JUnitXml.fromstring(text.encode())


def cases(given: Report) -> dict[str, TestCase]:
    return {case.name.split()[0]: case for suite in read(given) for case in suite}


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, xml_file: SnapshotAssertion):
    assert junit.render(REPORTS[name]) == xml_file


@pytest.mark.parametrize("name", REPORTS)
def test_it_validates(name: str):
    assert len(list(read(REPORTS[name]))) == len(REPORTS[name].targets)


@pytest.mark.parametrize("text", TRAPS)
def test_it_validates_whatever_the_target_says(text: str):
    assert sum(suite.tests for suite in read(report(with_text(text)))) == 3


def test_a_case_that_no_finding_breaks_into():
    document = junit.render(report(with_text("]]></failure><injected/>")))
    assert "<injected" not in document


class TestCases:
    found = cases(REPORTS["worked_example"])

    def test_a_pass_tells_its_evidence(self):
        assert self.found["PPO401"].is_passed
        assert "entropy is maximised" in self.found["PPO401"].system_out

    def test_a_finding_that_fails_the_run_is_a_failure_with_place_and_cure(self):
        (failure,) = self.found["PPO101"].result
        assert failure.type == "critical"
        assert "distributional_ppo.py:41:13" in failure.text
        assert "Cure: Use the dual clip" in failure.text

    @pytest.mark.parametrize(
        ("code", "message"),
        [("PPO501", "The loss takes no mask."), ("PPO202", "waived: Minibatches are never of one.")],
    )
    def test_what_was_skipped_or_waived_says_why(self, code: str, message: str):
        assert self.found[code].is_skipped
        assert self.found[code].result[0].message == message

    def test_an_error_of_a_rule_is_an_error(self):
        assert self.found["PPO412"].is_error

    def test_a_target_that_cannot_be_judged_is_an_error(self):
        (suite,) = read(REPORTS["nothing_judged"])
        assert suite.errors == 1


@pytest.mark.parametrize(("fail_on", "failures"), [(Severity.CRITICAL, 1), (None, 0)])
def test_a_finding_below_fail_on_is_no_failure(fail_on: Severity | None, failures: int):
    given = dataclasses.replace(report(LOSS), fail_on=fail_on)
    assert sum(suite.failures for suite in read(given)) == failures


def test_two_hundred_findings_validate():
    assert sum(suite.tests for suite in read(many(200))) == 200
