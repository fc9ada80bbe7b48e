"""Audits of single rules on the corpus, for the tests of the rules."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from ppo_audit.api import audit_spec
from ppo_audit.findings import Finding, Outcome, TargetReport
from ppo_audit.settings import Settings
from tests.corpus import catalogue

UNCALLED = ("policy_and_batch", "probability_ratio")
"""Correct losses that cannot be called without `--inputs` or `--role`."""

CORRECT = [pytest.param(each, id=each.name) for each in catalogue.CORRECT if each.name not in UNCALLED]


def faults_of(*rules: str) -> list[object]:
    """The faults of the corpus that these rules own, as parameters of a test."""
    owned = [fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER) if fault.rule in rules]
    return [pytest.param(fault, id=f"{fault.rule}-{fault.name}") for fault in owned]


def audit(path: Path | str, attribute: str, *rules: str) -> TargetReport:
    return audit_spec(f"{path}:{attribute}", Settings(select=rules, trials=0))


def fault_report(fault: catalogue.Fault, folder: Path, *rules: str) -> TargetReport:
    """The report on a faulty file, by the rule that owns the fault or by those given."""
    attribute = next(each.attribute for each in catalogue.CORRECT if each.name == fault.base)
    return audit(catalogue.write(fault, folder), attribute, *(rules or (fault.rule,)))


def finding_of(report: TargetReport, rule: str) -> Finding:
    return next(finding for finding in report.findings if finding.rule == rule)


def outcome_of(report: TargetReport, rule: str) -> Outcome:
    return next(outcome for outcome in report.outcomes if outcome.rule == rule)


def audit_source(source: str, folder: Path, *rules: str) -> TargetReport:
    """The report on the function `loss` of a source text."""
    path = folder / f"target_{abs(hash(source)):x}.py"
    path.write_text(source)
    return audit(path, "loss", *rules)


@functools.cache
def correct_report(path: Path, attribute: str, rules: tuple[str, ...]) -> TargetReport:
    return audit(path, attribute, *rules)
