"""A finding as plain text on a few lines, for formats that have neither markup nor colour."""

from __future__ import annotations

from collections.abc import Iterable

from ppo_audit.findings import Finding, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._frame import code_frame, place
from ppo_audit.reports._text import clean, listing, one_line, sentence


def explained(target: TargetReport, finding: Finding) -> str:
    """What, where, why, the case, the cure, and the command that shows it again."""
    return "\n".join(part for part in _parts(target, finding) if part)


def case(finding: Finding) -> str:
    """The smallest counterexample in one line; empty where there is none."""
    inputs = ", ".join(f"{one_line(key)} = {value}" for key, value in digest.case_inputs(finding).items())
    return ": ".join(part for part in (inputs, digest.case_result(finding)) if part)


def _parts(target: TargetReport, finding: Finding) -> Iterable[str]:
    yield sentence(finding.message)
    yield f"{finding.severity.label}, {finding.confidence.value}, at {place(finding.location)}"
    yield code_frame(finding.location) if finding.location else ""
    yield f"Or at {', '.join(map(place, finding.alternatives))}." if finding.alternatives else ""
    yield f"Variant: {one_line(finding.variant)}" if finding.variant else ""
    yield f"Case: {case(finding)}" if case(finding) else ""
    yield f"Why: {sentence(finding.why)}" if finding.why else ""
    yield f"Cure: {sentence(finding.fix.text)}" if finding.fix else ""
    yield clean(finding.fix.diff) if finding.fix and finding.fix.diff else ""
    yield f"Explains: {listing(finding.also)}" if finding.also else ""
    yield f"Waived: {sentence(finding.waiver)}" if finding.waiver is not None else ""
    yield digest.reproduction(target, finding.rule)
