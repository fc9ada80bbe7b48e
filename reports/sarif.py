"""The report for code scanning: SARIF 2.1.0, with regions, fingerprints, fixes and suppressions.

Written by hand, because no kept library models the format; the tests hold it against the schema of OASIS. What passed
or was skipped is no result (viewers show every result as a problem): it stands in the run's `properties`.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from ppo_audit.findings import (
    Confidence,
    Finding,
    Location,
    Outcome,
    Report,
    Severity,
    StaleWaiver,
    Status,
    TargetReport,
)
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._patch import Replacement, replacements
from ppo_audit.reports._text import clean, first_sentence, one_line, sentence
from ppo_audit.reports.json_report import plain
from ppo_audit.reports.markdown import finding_section

LEVELS = {Severity.CRITICAL: "error", Severity.SERIOUS: "warning", Severity.POTENTIAL: "note"}
RANKS = {Severity.CRITICAL: 90.0, Severity.SERIOUS: 60.0, Severity.POTENTIAL: 30.0}
PRECISIONS = {Confidence.EXACT: "very-high", Confidence.MEASURED: "high", Confidence.INFERRED: "medium"}
PROBLEMS = {"error": "error", "warning": "warning", "note": "recommendation"}
FINGERPRINT = "ppoAudit/v1"
ROOT = "%SRCROOT%"
COMPLETE = (0, 1, 5)
"""Exit codes of a run that went through, whatever it found."""

Json = dict[str, Any]


def render(report: Report) -> str:
    """The report as the text of one SARIF log with one run."""
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [_run(report)]}
    return json.dumps(plain(log), indent=2, allow_nan=False) + "\n"


def _run(report: Report) -> Json:
    rules = _rules(report)
    index = {rule["id"]: position for position, rule in enumerate(rules)}
    found = [(target, finding) for target in report.targets for finding in digest.most_severe_first(target.findings)]
    return {
        "tool": {"driver": {"name": "ppo-audit", "version": report.version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The working directory of the audit."}}},
        "invocations": [_invocation(report, index)],
        "results": [_result(target, finding, index) for target, finding in found],
        "properties": {"summary": report.summary, "targets": [_target(target) for target in report.targets]},
    }


def _rules(report: Report) -> list[Json]:
    """Every rule that had an outcome, in order of code; those that found something with their page."""
    found = {finding.rule: _rule_of_finding(finding) for finding in report.findings}
    outcomes = [outcome for target in report.targets for outcome in target.outcomes]
    plain_rules = {outcome.rule: _rule_of_outcome(outcome) for outcome in outcomes}
    return [rule for _, rule in sorted({**plain_rules, **found}.items())]


def _rule_of_outcome(outcome: Outcome) -> Json:
    return {"id": outcome.rule, "name": outcome.name, "shortDescription": {"text": outcome.name.replace("-", " ")}}


def _rule_of_finding(finding: Finding) -> Json:
    level = LEVELS[finding.severity]
    why = sentence(finding.why) or sentence(finding.name.replace("-", " "))
    rule: Json = {
        "id": finding.rule,
        "name": finding.name,
        "shortDescription": {"text": first_sentence(why)},
        "fullDescription": {"text": why},
        "help": {"text": _help(finding, "{}\n\n{}"), "markdown": _help(finding, "**{}.**\n\n{}")},
        "defaultConfiguration": {"level": level, "rank": RANKS[finding.severity]},
        "properties": {
            "tags": ["reinforcement-learning", finding.family],
            "precision": PRECISIONS[finding.confidence],
            "problem.severity": PROBLEMS[level],
        },
    }
    links = [link for reference in finding.references if (link := _link(reference))]
    return rule | ({"helpUri": links[0]} if links else {})


def _help(finding: Finding, form: str) -> str:
    sections = {
        "Why it matters": clean(finding.why),
        "The mathematics": clean(finding.property),
        "Recommendation": clean(finding.fix.text if finding.fix else ""),
        "More": f"`ppo-audit explain {finding.rule}`",
    }
    return "\n\n".join(form.format(title, text) for title, text in sections.items() if text)


def _link(reference: str) -> str:
    """The address of a paper or page; empty where the reference is words alone."""
    paper = re.search(r"arXiv:(\d{4}\.\d{4,5})", reference)
    page = re.search(r"https?://[\w./#%?=&~:+-]+", reference)
    return f"https://arxiv.org/abs/{paper[1]}" if paper else page[0] if page else ""


def _result(target: TargetReport, finding: Finding, index: dict[str, int]) -> Json:
    cure = f" {first_sentence(finding.fix.text)}" if finding.fix else ""
    result: Json = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "kind": "fail",
        "level": LEVELS[finding.severity],
        "rank": RANKS[finding.severity],
        "message": {"text": f"{sentence(finding.message)}{cure}", "markdown": finding_section(finding)},
        "locations": [_location(_place(target, finding), target)],
        "partialFingerprints": {FINGERPRINT: clean(finding.fingerprint)},
        "suppressions": _suppressions(finding),
        "properties": _properties(target, finding),
    }
    if finding.alternatives:
        result["relatedLocations"] = [_alternative(number, at) for number, at in enumerate(finding.alternatives)]
    fixes = _fixes(finding)
    return result | ({"fixes": fixes} if fixes else {})


def _place(target: TargetReport, finding: Finding) -> Location | None:
    """Where the finding is; else where the target is defined, since viewers drop a result without a place."""
    if finding.location is not None or not target.file:
        return finding.location
    return Location(target.file, target.line or 1)


def _location(place: Location | None, target: TargetReport) -> Json:
    logical: Json = {"logicalLocations": [{"fullyQualifiedName": one_line(target.target), "kind": "function"}]}
    return logical | ({"physicalLocation": _physical(place)} if place and one_line(place.file) else {})


def _physical(place: Location) -> Json:
    region: Json = {"startLine": max(place.line, 1)}
    if place.column:
        region |= {"startColumn": place.column}
        region |= {"endLine": max(place.end_line or place.line, region["startLine"])}
        region |= {"endColumn": place.end_column} if place.end_column else {}
    if place.code.strip():
        region["snippet"] = {"text": clean(place.code)}
    return {"artifactLocation": _artifact(place.file), "region": region}


def _artifact(file: str) -> Json:
    """A relative path is one below the working directory, where a viewer finds it in its own checkout."""
    path = PurePath(one_line(file))
    return {"uri": f"file://{quote(path.as_posix())}"} if path.is_absolute() else _relative(path)


def _relative(path: PurePath) -> Json:
    return {"uri": quote(path.as_posix()), "uriBaseId": ROOT}


def _alternative(number: int, place: Location) -> Json:
    text = "An edit here has the same effect."
    return {"id": number + 1, "message": {"text": text}, "physicalLocation": _physical(place)}


def _suppressions(finding: Finding) -> list[Json]:
    """An empty list says that nothing is suppressed; without the list a viewer could not tell."""
    if finding.waiver is None:
        return []
    kind = "inSource" if finding.is_waived_inline else "external"
    return [{"kind": kind, "status": "accepted", "justification": sentence(finding.waiver)}]


def _fixes(finding: Finding) -> list[Json]:
    edits = replacements(finding)
    if not finding.fix or not edits:
        return []
    changes = [{"artifactLocation": _artifact(edit.file), "replacements": [_replacement(edit)]} for edit in edits]
    return [
        {
            "description": {"text": f"{first_sentence(finding.fix.text)} {digest.tried(finding.fix)}"},
            "artifactChanges": changes,
        }
    ]


def _replacement(edit: Replacement) -> Json:
    region = {"startLine": edit.line, "startColumn": 1, "endLine": edit.end_line, "endColumn": edit.end_column}
    return {"deletedRegion": region, "insertedContent": {"text": edit.text}}


def _properties(target: TargetReport, finding: Finding) -> Json:
    return {
        "target": one_line(target.target),
        "severity": finding.severity.label,
        "confidence": finding.confidence.value,
        "precision": PRECISIONS[finding.confidence],
        "evidence": finding.evidence,
        "counterexample": finding.counterexample,
        "explains": finding.also,
        "variant": finding.variant,
        "reproduce": digest.reproduction(target, finding.rule),
    }


def _invocation(report: Report, index: dict[str, int]) -> Json:
    declined = [_declined(target) for target in report.targets if target.error]
    errored = [
        _errored(target, outcome, index)
        for target in report.targets
        for outcome in digest.with_status(target, Status.ERRORED)
    ]
    stale = [_stale(target, waiver) for target in report.targets for waiver in target.stale_waivers]
    return {
        "executionSuccessful": report.exit_code in COMPLETE,
        "exitCode": report.exit_code,
        "exitCodeDescription": digest.meaning(report),
        "commandLine": one_line(report.command),
        "toolExecutionNotifications": [*declined, *errored],
        "toolConfigurationNotifications": stale,
    }


def _declined(target: TargetReport) -> Json:
    text = f"{one_line(target.target)}: nothing was judged. {sentence(target.error or '')}"
    return {"level": "error", "message": {"text": text}}


def _errored(target: TargetReport, outcome: Outcome, index: dict[str, int]) -> Json:
    text = (
        f"{one_line(target.target)}: {outcome.rule} {outcome.name} ended in an error. {sentence(outcome.reason or '')}"
    )
    rule = {"id": outcome.rule, "index": index[outcome.rule]}
    return {"level": "error", "message": {"text": text.rstrip()}, "associatedRule": rule}


def _stale(target: TargetReport, waiver: StaleWaiver) -> Json:
    text = f"{one_line(target.target)}: {waiver.state} waiver of {one_line(waiver.rule)} ({one_line(waiver.origin)})."
    return {"level": "warning", "message": {"text": f"{text} {sentence(waiver.text)}"}}


def _target(target: TargetReport) -> Json:
    return {
        "target": one_line(target.target),
        "kind": target.kind,
        "exitCode": target.exit_code,
        "roles": target.roles,
        "profile": target.profile,
        "outcomes": [
            {"rule": outcome.rule, "outcome": outcome.status.value, "reason": outcome.reason}
            for outcome in target.outcomes
        ],
    }
