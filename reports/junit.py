"""The report for CI servers: JUnit XML, a suite a target and a case a rule.

A case fails where its finding fails the run: one below `--fail-on` passes and says so in its output, so that server
and exit code agree. A waived finding is a skipped case.
"""

from __future__ import annotations

import re

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from ppo_audit.findings import Finding, Outcome, Report, Status, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._explain import explained
from ppo_audit.reports._text import clean, first_sentence, one_line, sentence

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, even escaped."""


def render(report: Report) -> str:
    """The report as one XML document."""
    document = JUnitXml("ppo-audit")
    suites = [_suite(report, target) for target in report.targets]
    for suite in suites:
        document.add_testsuite(suite)
    # By hand, since `update_statistics` also counts what was skipped, which Jenkins' schema allows for a suite only.
    document.tests = sum(suite.tests for suite in suites)
    document.failures = sum(suite.failures for suite in suites)
    document.errors = sum(suite.errors for suite in suites)
    document.time = round(sum(suite.time for suite in suites), 3)
    return f"{DECLARATION}{document.tostring().decode()}\n"


def _suite(report: Report, target: TargetReport) -> TestSuite:
    suite = TestSuite(_line(target.target) or "target")
    suite.timestamp = f"{report.date}T00:00:00"
    facts = {"ppo-audit": report.version, "kind": target.kind, "exit code": str(target.exit_code)}
    for name, value in (facts | digest.flatten(target.profile)).items():
        suite.add_property(_line(name), _line(value))
    for waiver in target.stale_waivers:
        told = f"{waiver.state} ({waiver.origin}): {sentence(waiver.text)}"
        suite.add_property(_line(f"waiver of {waiver.rule}"), _line(told))
    cases = [_case(report, target, outcome) for outcome in sorted(target.outcomes, key=lambda outcome: outcome.rule)]
    if target.error:
        cases.append(_declined(target))
    suite.add_testcases(cases)
    suite.time = round(target.seconds, 3)
    return suite


def _declined(target: TargetReport) -> TestCase:
    case = TestCase("the target can be judged", _line(target.target))
    error = Error(_line(first_sentence(target.error or "")), f"exit code {target.exit_code}")
    error.text = _text(target.error or "")
    case.result = [error]
    return case


def _case(report: Report, target: TargetReport, outcome: Outcome) -> TestCase:
    case = TestCase(f"{outcome.rule} {outcome.name}", _line(target.target), round(outcome.seconds, 3))
    found = [finding for finding in digest.most_severe_first(target.findings) if finding.rule == outcome.rule]
    details = _text("\n\n".join(explained(target, finding) for finding in found) or sentence(outcome.reason or ""))
    result = _result(report, outcome, found)
    if result is not None:
        result.text = details
        case.result = [result]
    elif details:
        case.system_out = details
    return case


def _result(report: Report, outcome: Outcome, found: list[Finding]) -> Error | Failure | Skipped | None:
    """What the case ended in; None where it passed."""
    reason = _line(sentence(outcome.reason or "no reason given"))
    waived = [finding for finding in found if finding.waiver is not None]
    failing = [finding for finding in found if finding.waiver is None and _fails(report, finding)]
    if outcome.status is Status.ERRORED:
        return Error(reason, "errored")
    if failing:
        return Failure(_line(first_sentence(failing[0].message)), failing[0].severity.label)
    if waived and len(waived) == len(found):
        return Skipped(_line(f"waived: {sentence(waived[0].waiver or '')}"), "waived")
    if outcome.status in (Status.SKIPPED, Status.WAIVED):
        return Skipped(reason, outcome.status.value)
    return None


def _fails(report: Report, finding: Finding) -> bool:
    return report.fail_on is not None and finding.severity <= report.fail_on


def _line(text: str) -> str:
    return NOT_XML.sub("", one_line(text))


def _text(text: str) -> str:
    return NOT_XML.sub("", clean(text))
