"""The engine: rules against one subject, each ending in exactly one outcome, and violations made into findings.

It knows neither reports nor the command line. A rule that raises is *errored* and never ends the run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Finding, Fix, Outcome, Status, Violation, fingerprint
from ppo_audit.locate import Place, locate
from ppo_audit.rules import Page, load_check
from ppo_audit.subjects.judged import Judged
from ppo_audit.targets.resolve import describe


@dataclass(frozen=True)
class Judgement:
    """What one rule said of one subject."""

    page: Page
    outcome: Outcome
    violation: Violation | None = None


def judge(subject: Judged, pages: Sequence[Page]) -> list[Judgement]:
    """Every rule against the subject, in order of code."""
    return [judge_one(subject, page) for page in pages]


def judge_one(subject: Judged, page: Page) -> Judgement:
    """One rule: skipped with its reason, passed, flagged with a violation, or errored."""
    started = time.perf_counter()
    status, reason, violation = _attempt(subject, page)
    seconds = time.perf_counter() - started
    return Judgement(page, Outcome(page.rule.code, page.rule.name, status, reason, seconds), violation)


def _attempt(subject: Judged, page: Page) -> tuple[Status, str | None, Violation | None]:
    if subject.kind not in page.rule.kinds:
        return Status.SKIPPED, f"judges {' and '.join(page.rule.kinds)}, this is {subject.kind}", None
    cases = subject.count["cases"]
    try:
        missing = subject.needs(page.rule.needs)
        if missing:
            return Status.SKIPPED, missing, None
        violation = load_check(page)(subject)
    except NotApplicable as reason:
        return Status.SKIPPED, str(reason), None
    except Exception as error:
        return Status.ERRORED, f"the rule itself failed: {describe(error)}", None
    if violation is not None:
        return Status.FLAGGED, violation.message, violation
    return Status.PASSED, f"{page.title} Seen in {subject.count['cases'] - cases:,} cases.", None


def findings(subject: Judged, judgements: Sequence[Judgement], qualified_name: str) -> list[Finding]:
    """One finding for each flagged rule that no other flagged rule explains, most severe first."""
    flagged = [judgement for judgement in judgements if judgement.violation is not None]
    explained = {code: judgement for judgement in flagged for code in _explains(judgement, flagged)}
    found = [_finding(subject, judgement, flagged, qualified_name) for judgement in flagged if judgement.page.rule.code not in explained]
    return sorted(found, key=lambda finding: (finding.severity, finding.rule))


def _explains(judgement: Judgement, flagged: Sequence[Judgement]) -> list[str]:
    assert judgement.violation is not None
    codes = {other.page.rule.code for other in flagged}
    return [code for code in judgement.violation.explains if code in codes]


def _finding(subject: Judged, judgement: Judgement, flagged: Sequence[Judgement], qualified_name: str) -> Finding:
    violation, page = judgement.violation, judgement.page
    assert violation is not None
    place = locate(subject, page, violation)
    return Finding(
        rule=page.rule.code,
        name=page.rule.name,
        family=page.rule.family,
        severity=violation.severity or page.rule.severity,
        confidence=violation.confidence,
        message=violation.message,
        location=place.location,
        fingerprint=fingerprint(qualified_name, page.rule.code, violation.signature or violation.site),
        evidence=dict(violation.evidence),
        counterexample=dict(violation.counterexample),
        why=page.sections.get("Why", ""),
        property=page.sections.get("Property", ""),
        fix=_fix(page, place),
        prevalence=page.rule.prevalence,
        also=tuple(_explains(judgement, flagged)),
        references=page.references,
    )


def _fix(page: Page, place: Place) -> Fix:
    return Fix(page.sections.get("Fix", ""), diff=place.diff, verified=bool(place.proof), proof=place.proof)


def merge(first: Sequence[Finding], later: Sequence[Finding], variant: str) -> list[Finding]:
    """Findings of a further variant, where no earlier one has the same fingerprint; they name the variant."""
    known = {finding.fingerprint for finding in first}
    fresh = [replace(finding, variant=variant) for finding in later if finding.fingerprint not in known]
    return sorted([*first, *fresh], key=lambda finding: (finding.severity, finding.rule))
