"""Waivers meet findings, after the engine and on plain data, so that a worker and this process behave alike.

A waiver is called unused only where its rule was judged: a skipped or deselected rule says nothing about it.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from ppo_audit.findings import Finding, Outcome, StaleWaiver, Status, TargetReport
from ppo_audit.rules import catalogue
from ppo_audit.settings import Settings, normal_spec
from ppo_audit.waivers.inline import extent, inline_waivers
from ppo_audit.waivers.waiver import Waiver


def waive(entries: Sequence[TargetReport], settings: Settings, today: datetime.date) -> list[TargetReport]:
    """The entries with accepted findings marked, and with the waivers that accept nothing."""
    offers = [_offered(entry, settings.of(entry.target)) for entry in entries]
    used = {
        waiver
        for entry, offer in zip(entries, offers, strict=True)
        for finding in entry.findings
        for waiver in _holding(finding, offer, today)
    }
    told: set[Waiver] = set(used)
    done = []
    codes = catalogue(settings.rule_paths)
    for entry, offer in zip(entries, offers, strict=True):
        stale = [
            (waiver, note) for waiver in offer if waiver not in told for note in _stale(waiver, entry, codes, today)
        ]
        told |= {waiver for waiver, _ in stale}
        marked = _marked(entry, offer, today)
        full = dataclasses.replace(marked, stale_waivers=tuple(note for _, note in stale))
        done.append(dataclasses.replace(full, exit_code=_exit_code(full, settings)))
    return done


def _offered(entry: TargetReport, settings: Settings) -> list[Waiver]:
    """The waivers that may speak of this target."""
    if entry.error:
        return []
    mine = [each for each in settings.waivers if each.target in (None, entry.target, normal_spec(entry.target))]
    return list(dict.fromkeys([*mine, *(waiver for file in _sources(entry) for waiver in inline_waivers(file))]))


def _sources(entry: TargetReport) -> list[str]:
    """The target's own file, and others of the user's with findings in them; comments in a library waive nothing."""
    script = entry.target if entry.file is None and entry.target.endswith(".py") else None
    found = [each.location.file for each in entry.findings if each.location is not None]
    near = [file for file in found if not Path(file).is_absolute()]
    return list(dict.fromkeys(file for file in (entry.file, script and normal_spec(script), *near) if file))


def _holding(finding: Finding, offer: Iterable[Waiver], today: datetime.date) -> list[Waiver]:
    return [
        waiver for waiver in offer if waiver.reason and not waiver.has_expired(today) and _speaks_of(waiver, finding)
    ]


def _speaks_of(waiver: Waiver, finding: Finding) -> bool:
    if waiver.rule != finding.rule or waiver.fingerprint not in (None, finding.fingerprint):
        return False
    place = finding.location
    if waiver.file is None:
        return True
    if place is None or place.file != waiver.file:
        return False
    return any(place.line <= line <= (place.end_line or place.line) for line in waiver.lines)


def _marked(entry: TargetReport, offer: Sequence[Waiver], today: datetime.date) -> TargetReport:
    findings = tuple(_accepted(finding, _holding(finding, offer, today)) for finding in entry.findings)
    outcomes = tuple(_outcome(outcome, findings) for outcome in entry.outcomes)
    return dataclasses.replace(entry, findings=findings, outcomes=outcomes)


def _accepted(finding: Finding, holding: Sequence[Waiver]) -> Finding:
    if not holding:
        return finding
    first = holding[0]
    return dataclasses.replace(
        finding, waiver=f"{first.reason} ({first.origin})", is_waived_inline=first.file is not None
    )


def _outcome(outcome: Outcome, findings: Iterable[Finding]) -> Outcome:
    """A flagged rule all of whose findings are accepted is waived, with the reason."""
    reasons = [finding.waiver for finding in findings if finding.rule == outcome.rule]
    if outcome.status is not Status.FLAGGED or not reasons or None in reasons:
        return outcome
    return dataclasses.replace(outcome, status=Status.WAIVED, reason=reasons[0])


def _exit_code(entry: TargetReport, settings: Settings) -> int:
    """1 or 0 by the findings that count; whatever is worse stays."""
    if entry.exit_code not in (0, 1):
        return entry.exit_code
    counts = [finding for finding in entry.findings if finding.waiver is None]
    is_over = settings.fail_on is not None and any(finding.severity <= settings.fail_on for finding in counts)
    return int(is_over or (settings.strict_waivers and bool(entry.stale_waivers)))


def _stale(waiver: Waiver, entry: TargetReport, codes: Container[str], today: datetime.date) -> list[StaleWaiver]:
    """Why a waiver that accepts nothing here should be looked at; nothing where that cannot be said."""
    if not waiver.rule or not waiver.reason:
        wants = "a rule in brackets, such as ignore[PPO302]," if not waiver.rule else "a reason"
        return [StaleWaiver(waiver.rule, "incomplete", waiver.origin, f"It lacks {wants} and waives nothing.")]
    if waiver.rule not in codes:
        return [StaleWaiver(waiver.rule, "unknown", waiver.origin, "There is no such rule.")]
    outcome = next((each for each in entry.outcomes if each.rule == waiver.rule), None)
    if outcome is None or not _is_about(waiver, entry):
        return []
    if waiver.has_expired(today) and outcome.status in (Status.PASSED, Status.FLAGGED):
        text = f"It expired on {waiver.expires}: renew it with a reason, or mend the finding."
        return [StaleWaiver(waiver.rule, "expired", waiver.origin, text)]
    text = _unused(waiver, outcome, entry)
    return [StaleWaiver(waiver.rule, "unused", waiver.origin, text)] if text else []


def _unused(waiver: Waiver, outcome: Outcome, entry: TargetReport) -> str:
    if outcome.status is Status.PASSED:
        return "The rule passes here: remove the waiver."
    found = [finding for finding in entry.findings if finding.rule == waiver.rule]
    if not found:
        return ""  # part of another finding, or skipped
    place = found[0].location
    where = f"{place.file}:{place.line}" if place else "another place"
    return f"It waives nothing: the rule's finding is another ({found[0].fingerprint}, at {where})."


def _is_about(waiver: Waiver, entry: TargetReport) -> bool:
    """Whether the target would show the finding: other functions of a file have comments of their own."""
    if waiver.file is None or entry.file is None or entry.line is None:
        return True
    return waiver.file == entry.file and waiver.lines[0] in extent(entry.file, entry.line)
