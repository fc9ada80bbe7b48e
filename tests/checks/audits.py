"""Audits by single rules, for the tests of the rules."""

from __future__ import annotations

from pathlib import Path

from ppo_audit.api import audit_spec
from ppo_audit.findings import Finding, Outcome, TargetReport
from ppo_audit.settings import Settings


def audit(path: Path | str, attribute: str, *rules: str) -> TargetReport:
    return audit_spec(f"{path}:{attribute}", Settings(select=rules, trials=0))


def finding_of(report: TargetReport, rule: str) -> Finding:
    return next(finding for finding in report.findings if finding.rule == rule)


def outcome_of(report: TargetReport, rule: str) -> Outcome:
    return next(outcome for outcome in report.outcomes if outcome.rule == rule)


def audit_source(source: str, folder: Path, *rules: str) -> TargetReport:
    """The report on the function `loss` of a source text."""
    path = folder / f"target_{abs(hash(source)):x}.py"
    path.write_text(source)
    return audit(path, "loss", *rules)
