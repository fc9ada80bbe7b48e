"""The engine: rules against one subject, each ending in exactly one outcome, and violations made into findings.

It knows neither reports nor the command line. A rule that raises is *errored* and never ends the run.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Finding, Fix, Outcome, Severity, Status, Violation, fingerprint
from ppo_audit.journal import Journal, Verdict, place_stage, rule_stage
from ppo_audit.locate import Place, locate
from ppo_audit.rules import Page, load_check
from ppo_audit.subjects.judged import Judged
from ppo_audit.targets.resolve import describe


@dataclass(frozen=True)
class Judgement:
    """What one rule said of one subject, and how many of its questions it asked before it was skipped."""

    page: Page
    outcome: Outcome
    violation: Violation | None = None
    reach: int = 0


@dataclass(frozen=True)
class Told:
    """Whom an audit tells what it does: the journal; the variant at hand, and the target's name in fingerprints."""

    journal: Journal
    variant: str
    qualified_name: str


def judge(subject: Judged, pages: Sequence[Page], told: Told) -> list[Judgement]:
    """Every rule against the subject, in order of code; what the journal knows is not run again."""
    return [_remembered(page, told) or _told(judge_one(subject, page, told), told) for page in pages]


def statuses(judgements: Sequence[Judgement]) -> dict[str, Status]:
    """How each rule ended, by code."""
    return {judgement.page.rule.code: judgement.outcome.status for judgement in judgements}


def _remembered(page: Page, told: Told) -> Judgement | None:
    known = told.journal.recall(rule_stage(told.variant, page.rule.code))
    return Judgement(page, known.outcome, known.violation, known.reach) if known else None


def _told(judgement: Judgement, told: Told) -> Judgement:
    found = _finding(judgement, (), told.qualified_name, NOWHERE) if judgement.violation else None
    verdict = Verdict(judgement.outcome, judgement.violation, found, judgement.reach)
    told.journal.keep(rule_stage(told.variant, judgement.page.rule.code), verdict)
    return judgement


def judge_one(subject: Judged, page: Page, told: Told) -> Judgement:
    """One rule: skipped with its reason, passed, flagged with a violation, or errored."""
    told.journal.enter(rule_stage(told.variant, page.rule.code))
    started = time.perf_counter()
    status, reason, violation, reach = _attempt(subject, page)
    seconds = time.perf_counter() - started
    return Judgement(page, Outcome(page.rule.code, page.rule.name, status, reason, seconds), violation, reach)


class Said(NamedTuple):
    """How a rule ended."""

    status: Status
    reason: str
    violation: Violation | None = None
    reach: int = 0


def _attempt(subject: Judged, page: Page) -> Said:
    if subject.kind not in page.rule.kinds:
        return Said(Status.SKIPPED, f"judges {' and '.join(page.rule.kinds)}, this is {subject.kind}")
    before, reach = subject.count.copy(), 1
    try:
        for reach, need in enumerate(page.rule.needs, 1):
            if missing := subject.needs((need,)):
                return Said(Status.SKIPPED, missing, reach=reach)
        reach += 1
        violation = load_check(page)(subject)
    except NotApplicable as reason:
        return Said(Status.SKIPPED, str(reason), reach=reach)
    except Exception as error:
        return Said(Status.ERRORED, f"the rule itself failed: {describe(error)}")
    if violation is not None:
        return Said(Status.FLAGGED, violation.message, violation)
    return Said(Status.PASSED, f"{page.title} {_effort(subject.count - before)}")


def _effort(count: Counter[str]) -> str:
    """How much was looked at: samples, and kinds of batches."""
    cases, strata = count["cases"], sum(name.startswith("stratum") for name in count)
    numbers = ((cases, "case", "cases"), (strata, "stratum", "strata"))
    return "Seen in {} of {}.".format(*(f"{number:,} {one if number == 1 else many}" for number, one, many in numbers))


NOWHERE = Place(None)
NOISE = "PPO002"
ONE_CALL_TELLS = frozenset("PPO001 PPO003 PPO004 PPO005 PPO008 PPO101 PPO109 PPO202 PPO503 PPO508 PPO511".split())
"""Rules that need no second run to compare with: what they find is no noise."""


def findings(subject: Judged, judgements: Sequence[Judgement], told: Told) -> list[Finding]:
    """One finding for each flagged rule that no other finding explains, most severe first."""
    flagged = [judgement for judgement in judgements if judgement.violation is not None]
    explained = explanations(flagged)
    said = statuses(judgements)
    roots = [
        judgement for judgement in flagged if not any(judgement.page.rule.code in codes for codes in explained.values())
    ]
    found = [
        _finding(
            root,
            explained[root.page.rule.code],
            told.qualified_name,
            _place(subject, root, explained[root.page.rule.code], told, said),
        )
        for root in roots
    ]
    return sorted(found, key=lambda finding: (finding.severity, finding.rule))


def explanations(flagged: Sequence[Judgement]) -> dict[str, tuple[str, ...]]:
    """The flagged rules that each flagged rule explains, directly or by way of others, itself left out.

    Rules that explain one another would all vanish: the gravest of them, of equals the one with the lowest code, is
    explained by none of the others.
    """
    claimed = {judgement.page.rule.code: _claims(judgement, flagged) for judgement in flagged}
    reached = {code: _reached(code, claimed) for code in claimed}
    rank = {judgement.page.rule.code: (_severity(judgement), judgement.page.rule.code) for judgement in flagged}
    return {
        code: tuple(other for other in others if code not in reached[other] or rank[code] < rank[other])
        for code, others in reached.items()
    }


def _claims(judgement: Judgement, flagged: Sequence[Judgement]) -> tuple[str, ...]:
    """What a rule says that it explains, among the flagged ones; noise explains whatever two runs were compared for."""
    assert judgement.violation is not None
    code, codes = judgement.page.rule.code, [other.page.rule.code for other in flagged]
    if code == NOISE:
        return tuple(other for other in codes if other not in ONE_CALL_TELLS and other != code)
    return tuple(other for other in judgement.violation.explains if other in codes and other != code)


def _reached(code: str, claimed: Mapping[str, Sequence[str]]) -> list[str]:
    """Every rule that a rule explains, directly or by way of others; itself where they explain one another."""
    reached = list(claimed[code])
    for other in reached:  # grows while it is walked
        reached.extend(further for further in claimed[other] if further not in reached)
    return reached


def _severity(judgement: Judgement) -> Severity:
    assert judgement.violation is not None
    return judgement.page.rule.severity if judgement.violation.severity is None else judgement.violation.severity


def _place(
    subject: Judged, judgement: Judgement, also: tuple[str, ...], told: Told, said: Mapping[str, Status]
) -> Place:
    """Where the violation comes from; nowhere if an earlier worker was lost while it was looked for."""
    stage = place_stage(told.variant, judgement.page.rule.code)
    assert judgement.violation is not None
    if told.journal.gave_up(stage):
        return NOWHERE
    told.journal.enter(stage)
    return locate(subject, judgement.page, replace(judgement.violation, explains=also), said)


def _finding(judgement: Judgement, also: tuple[str, ...], qualified_name: str, place: Place) -> Finding:
    violation, page = judgement.violation, judgement.page
    assert violation is not None
    return Finding(
        rule=page.rule.code,
        name=page.rule.name,
        family=page.rule.family,
        severity=_severity(judgement),
        confidence=violation.confidence,
        message=violation.message,
        location=place.location or violation.place,
        alternatives=place.alternatives,
        fingerprint=fingerprint(qualified_name, page.rule.code, violation.signature or violation.site),
        evidence=dict(violation.evidence) | ({"why_this_line": place.why} if place.why else {}),
        counterexample=dict(violation.counterexample),
        why=page.sections.get("Why", ""),
        property=page.sections.get("Property", ""),
        fix=_fix(page, place),
        prevalence=page.rule.prevalence,
        also=also,
        references=page.references,
    )


def _fix(page: Page, place: Place) -> Fix:
    return Fix(page.sections.get("Fix", ""), diff=place.diff, verified=bool(place.proof), proof=place.proof)


def merge(
    first: Sequence[Finding], later: Sequence[Finding], variant: str, explained: Collection[str]
) -> list[Finding]:
    """Findings of a further variant, which they name, where no earlier variant has the same or explains their rule."""
    known = {finding.fingerprint for finding in first}
    news = [finding for finding in later if finding.fingerprint not in known and finding.rule not in explained]
    fresh = [replace(finding, variant=variant) for finding in news]
    return sorted([*first, *fresh], key=lambda finding: (finding.severity, finding.rule))
