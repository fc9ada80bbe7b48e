"""The finding model: plain frozen values that the engine builds whole and the reports render.

Nothing here imports torch, so that reports, `rules` and `explain` start fast.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field


class Severity(enum.IntEnum):
    """What the defect does to training; ordered so that sorting gives the order of the report."""

    CRITICAL = 0
    """Learning goes the wrong way, credit is meaningless, or one reachable sample makes the gradient non-finite."""
    SERIOUS = 1
    """A biased gradient, or a wrong controlling metric, in an ordinary regime."""
    POTENTIAL = 2
    """Wrong only under an option or shape outside those offered, or a design with a known cost to choose knowingly."""

    @property
    def label(self) -> str:
        return self.name.lower()


class Confidence(enum.StrEnum):
    """How sure the evidence is."""

    EXACT = "exact"
    """A counterexample in closed form."""
    MEASURED = "measured"
    """Measured against a tolerance."""
    INFERRED = "inferred"
    """Rests on a guess about a role or the profile, which is then named."""


class Status(enum.StrEnum):
    """How a rule ended; every selected rule ends in exactly one of these, and all are printed."""

    PASSED = "passed"
    FLAGGED = "flagged"
    WAIVED = "waived"
    SKIPPED = "skipped"
    ERRORED = "errored"


@dataclass(frozen=True)
class Location:
    """Where a finding points: the line one would edit, columns counted from 1."""

    file: str
    line: int
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    code: str = ""


@dataclass(frozen=True)
class Replacement:
    """A stretch of a file and the text that belongs there; lines and columns count from 1, the end lies outside."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Edit:
    """A change of one file; `digest` is the SHA-256 of the text that it was made for."""

    file: str
    digest: str
    replacements: tuple[Replacement, ...]


@dataclass(frozen=True)
class Choice:
    """One of several cures that do not compute the same, and what was measured to change with it."""

    text: str
    price: str
    diff: str
    edit: Edit


@dataclass(frozen=True)
class Fix:
    """What to do: text always, a source edit where one is known, and whether it was tried.

    `verified`: with the edit loaded in place of the file the violation is gone, no rule newly flags and what the loss
    claims to do it still does; and no other cure that was tried computes anything else. `choices` are cures that do.
    """

    text: str
    diff: str | None = None
    verified: bool = False
    proof: str = ""
    edit: Edit | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True)
class Violation:
    """What a rule returns when its property fails: one sentence, the numbers, the smallest case.

    `site` names the quantity that is wrong (a key of `Subject.sites`), from which the engine finds the line; `place` is
    the line itself, where the rule saw it happen.
    """

    message: str
    counterexample: Mapping[str, object] = field(default_factory=dict)
    evidence: Mapping[str, object] = field(default_factory=dict)
    site: str = "total"
    severity: Severity | None = None
    confidence: Confidence = Confidence.EXACT
    explains: tuple[str, ...] = ()
    signature: str = ""
    place: Location | None = None


@dataclass(frozen=True)
class Outcome:
    """How one rule ended, with the evidence of a pass or the reason of a skip."""

    rule: str
    name: str
    status: Status
    reason: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Finding:
    """A flagged violation, complete: place, evidence, counterexample, fix and identity."""

    rule: str
    name: str
    family: str
    severity: Severity
    confidence: Confidence
    message: str
    location: Location | None
    fingerprint: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    counterexample: Mapping[str, object] = field(default_factory=dict)
    why: str = ""
    property: str = ""
    fix: Fix | None = None
    prevalence: str | None = None
    also: tuple[str, ...] = ()
    waiver: str | None = None
    is_waived_inline: bool = False
    """By a comment in the source, and not by a file beside it."""
    references: tuple[str, ...] = ()
    variant: str | None = None
    alternatives: tuple[Location, ...] = ()
    """Other lines where an edit has the same effect."""
    diagnosis: str = ""
    """Which known slip the outcomes of all rules look like, where they look like one."""
    reproduction: str = ""
    """A few lines of Python that show the smallest case with torch and the target's file alone."""


@dataclass(frozen=True)
class Remark:
    """A line of "Worth considering": a practice and its status where it can be measured."""

    topic: str
    text: str
    location: Location | None = None


@dataclass(frozen=True)
class StaleWaiver:
    """A waiver that waives nothing: `state` is unused, expired, incomplete or unknown; `origin` is where it stands."""

    rule: str
    state: str
    origin: str
    text: str


@dataclass(frozen=True)
class Curve:
    """A picture of what was measured: series over common x values; names that begin with REFERENCE are to compare."""

    name: str
    title: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    series: Mapping[str, tuple[float, ...]]
    note: str = ""


REFERENCE = "reference: "


@dataclass(frozen=True)
class TargetReport:
    """All that was learnt about one target."""

    target: str
    kind: str
    file: str | None = None
    line: int | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, object] = field(default_factory=dict)
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    remarks: tuple[Remark, ...] = ()
    stale_waivers: tuple[StaleWaiver, ...] = ()
    not_covered: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    cases: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    error: str | None = None
    exit_code: int = 0
    command: str = ""
    output: str = ""
    """The end of what the target printed, as it came: no part of the report, shown on demand."""
    curves: tuple[Curve, ...] = ()


@dataclass(frozen=True)
class Report:
    """A whole run: one entry a target, and the exit code of `architecture.md` section 7."""

    targets: tuple[TargetReport, ...]
    version: str
    date: str
    fail_on: Severity | None = Severity.SERIOUS
    command: str = ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for target in self.targets for finding in target.findings)

    @property
    def summary(self) -> dict[str, int]:
        """Findings by severity (waived ones count there only) and outcomes by status."""
        open_findings = [finding for finding in self.findings if finding.waiver is None]
        counts = {level.label: sum(finding.severity is level for finding in open_findings) for level in Severity}
        counts["waived"] = len(self.findings) - len(open_findings)
        statuses = [outcome.status for target in self.targets for outcome in target.outcomes]
        return counts | {
            status.value: statuses.count(status) for status in (Status.PASSED, Status.SKIPPED, Status.ERRORED)
        }

    @property
    def exit_code(self) -> int:
        """The first that applies of 4, 2, 3, 1, 5, 0 over all targets; 5 where there is no target."""
        codes = {target.exit_code for target in self.targets} or {5}
        return next(code for code in (4, 2, 3, 1, 5, 0) if code in codes)


def fingerprint(qualified_name: str, rule: str, signature: str) -> str:
    """An identity that survives reformatting and line shifts: target, rule and kind of violation."""
    return hashlib.sha256("\0".join((qualified_name, rule, signature)).encode()).hexdigest()[:16]
