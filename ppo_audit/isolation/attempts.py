"""One target, whatever it does: a fresh worker where one was lost, and an entry of the report in the end."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from pathlib import Path

from ppo_audit.findings import Finding, Outcome, Status, TargetReport
from ppo_audit.isolation.attempt import Attempt, Limits, attempt, replaced
from ppo_audit.isolation.records import Job
from ppo_audit.journal import OPENING, Opened, Verdict, is_rule
from ppo_audit.rules import catalogue
from ppo_audit.settings import Settings, command_for

RESTARTS = 3
STAGES_OF_A_TARGET = 10
"""The limit of a whole target, and of a script before its first loss, in limits of a rule."""
SHOWN_LINES = 5


@dataclass
class _Case:
    """What is known of one target so far."""

    spec: str
    whole_run: Settings
    folder: Path
    known: dict[str, Verdict] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    opened: Opened | None = None
    deadline: float = 0.0
    workers: int = 0

    @property
    def settings(self) -> Settings:
        return self.whole_run.of(self.spec)

    def job(self, skip: str | None) -> Job:
        self.workers += 1
        names = (self.folder / f"{self.workers}.journal", self.folder / f"{self.workers}.output")
        return Job(self.spec, self.whole_run, *names, dict(self.known), frozenset(self.lost), skip)

    def limits(self) -> Limits:
        stage = self.settings.time_limit
        left = max(self.deadline - time.monotonic(), stage)
        is_called = ":" in self.spec and not self.spec.endswith(".py")
        return Limits(stage, stage if is_called else left, left, self.settings.memory_limit)

    def learn(self, seen: Attempt) -> None:
        self.known.update(seen.verdicts)
        self.opened = seen.opened or self.opened
        self.deadline += seen.queued
        if seen.entry is None:
            self.lost[seen.stage] = seen.why
        if seen.entry is None and is_rule(seen.stage):
            code = seen.stage.rpartition("/")[2]
            name = catalogue(self.settings.rule_paths)[code].rule.name
            self.known[seen.stage] = Verdict(Outcome(code, name, Status.ERRORED, f"{seen.why}."))


def audit_in_workers(
    spec: str, settings: Settings, folder: Path, context: BaseContext, stop: threading.Event
) -> TargetReport:
    """The entry of a target: whole, in part, or the reason why nothing was judged."""
    deadline = time.monotonic() + STAGES_OF_A_TARGET * settings.of(spec).time_limit
    case = _Case(spec, settings, folder, deadline=deadline)
    skip: str | None = None
    while True:
        seen = attempt(case.job(skip), case.limits(), context, stop)
        case.learn(seen)
        if seen.entry is not None:
            return _complete(case, seen)
        if seen.stage == OPENING or stop.is_set() or skip or (seen.broke and not seen.broke.of_the_target):
            return _salvaged(case, seen, skip or f"not run: {seen.why}.")
        if case.workers > RESTARTS or time.monotonic() > case.deadline:
            skip = f"not run: {case.workers} workers were lost on this target, the last one because {seen.why}."


def _complete(case: _Case, seen: Attempt) -> TargetReport:
    """The entry of the last worker; what earlier ones could not end makes the audit incomplete."""
    entry = seen.entry
    assert entry is not None
    told = (*entry.not_covered, replaced(seen.tampered)) if seen.tampered else entry.not_covered
    entry = dataclasses.replace(entry, output=seen.output, not_covered=told)
    errored = [outcome for outcome in entry.outcomes if outcome.status is Status.ERRORED]
    if not case.lost and not (errored and seen.tampered):
        return entry
    own = [outcome for outcome in errored if not _is_lost(case, outcome) and not seen.tampered]
    code = 4 if own else 3
    return dataclasses.replace(entry, exit_code=code, not_covered=(*entry.not_covered, *_losses(case)))


def _is_lost(case: _Case, outcome: Outcome) -> bool:
    return any(is_rule(stage) and stage.endswith(f"/{outcome.rule}") for stage in case.lost)


def _losses(case: _Case) -> Iterable[str]:
    """What could not be done, for the part of the report that says what was not covered."""
    for stage, why in case.lost.items():
        if not is_rule(stage):
            what = "the line of a finding was not looked for" if stage.endswith("/place") else f"{stage} was not ended"
            yield f"{what}: {why}."


def _salvaged(case: _Case, seen: Attempt, skip: str) -> TargetReport:
    """An entry from the journals alone, where no worker could end."""
    opened = case.opened or Opened("unknown")
    findings = tuple(sorted(_findings(case), key=lambda finding: (finding.severity, finding.rule)))
    entry = TargetReport(
        target=case.spec,
        kind=opened.kind,
        file=opened.file,
        line=opened.line,
        roles=opened.roles,
        outcomes=_outcomes(case, skip) if case.known else (),
        findings=findings,
        exit_code=_code(case, seen),
        command=command_for(case.spec, case.settings),
        output=seen.output,
    )
    if case.known:
        return dataclasses.replace(entry, not_covered=tuple(_losses(case)))
    return dataclasses.replace(entry, error=_error(seen))


def _code(case: _Case, seen: Attempt) -> int:
    """4 where we failed; 2 where the target left before anything was judged: it cannot be called; 3 otherwise."""
    if seen.broke and not seen.broke.of_the_target:
        return 4
    return 2 if seen.ended_itself and not case.known else 3


def _error(seen: Attempt) -> str:
    if seen.broke and not seen.broke.of_the_target:
        return f"sorry, this is a bug in ppo-audit, not in your code: {seen.broke.reason}. `--show-output` shows where."
    when = "while it was imported and called for the first time" if seen.stage == OPENING else "before a rule had ended"
    lines = [line.strip() for line in seen.output.splitlines() if line.strip()]
    said = f"\nIts last output:\n{chr(10).join(lines[-SHOWN_LINES:])}" if lines and not seen.why.count(", at ") else ""
    return f"{seen.why}, {when}. Nothing else was harmed.{said}"


def _findings(case: _Case) -> Iterable[Finding]:
    seen: set[str] = set()
    for verdict in case.known.values():
        if verdict.finding is not None and verdict.finding.fingerprint not in seen:
            seen.add(verdict.finding.fingerprint)
            severity = dict(case.settings.severities).get(verdict.finding.rule, verdict.finding.severity)
            yield dataclasses.replace(verdict.finding, severity=severity)


def _outcomes(case: _Case, skip: str) -> tuple[Outcome, ...]:
    """Every selected rule in its first variant that is known; the others were not run."""
    pages = [page for code, page in catalogue(case.settings.rule_paths).items() if case.settings.selects(code)]
    known = {stage.rpartition("/")[2]: verdict.outcome for stage, verdict in reversed(case.known.items())}
    return tuple(
        known.get(page.rule.code) or Outcome(page.rule.code, page.rule.name, Status.SKIPPED, skip) for page in pages
    )
