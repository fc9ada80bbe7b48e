"""One edit tried: the target opened with it, held against the rules, and compared with other edits that cure."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Severity, Status
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.returns import Returns
from ppo_audit.repair.loading import in_place_of
from ppo_audit.rules import Page, load_check
from ppo_audit.subjects.judged import Helper, Judged
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.calling import Call

Opened = Sequence[tuple[str, Judged]]
SEEDS = (11, 12, 13)
ROWS = 12
ALIKE = 1e-6
"""Relative: two cures that agree so far on ordinary batches are the same cure."""
STEPS = 4
KLS = (0.0, 0.001, 0.01, 0.02, 0.05, 0.2, 1.0)


@dataclass(frozen=True)
class Verdict:
    """How a rule ended on a trial, and how grave what it found is."""

    status: Status
    severity: Severity = Severity.POTENTIAL
    message: str = ""


@dataclass(frozen=True)
class Case:
    """A target that findings were made of: how it is opened anew, its subjects, and what each rule said of them."""

    spec: str
    opens: Callable[[], Opened]
    subjects: Mapping[str, Judged]
    function: Callable[[], Callable[..., Any]]
    said: Mapping[str, Mapping[str, Status]]
    pages: Sequence[Page]

    def page(self, rule: str) -> Page:
        return next(page for page in self.pages if page.rule.code == rule)


def said(subject: Judged, page: Page) -> Verdict:
    """What one rule says of a subject; an edit may break it in any way."""
    try:
        if subject.kind not in page.rule.kinds or subject.needs(page.rule.needs) is not None:
            return Verdict(Status.SKIPPED)
        return judged(subject, page)
    except NotApplicable:
        return Verdict(Status.SKIPPED)
    except Exception:
        return Verdict(Status.ERRORED)


def judged(subject: Judged, page: Page) -> Verdict:
    violation = load_check(page)(subject)
    if violation is None:
        return Verdict(Status.PASSED)
    severity = page.rule.severity if violation.severity is None else violation.severity
    return Verdict(Status.FLAGGED, severity, violation.message)


def opened(case: Case, file: str, text: str) -> dict[str, Judged]:
    """The subjects of the target with `text` in place of a file; none where it cannot be opened like that."""
    try:
        with in_place_of(file, text, case.spec):
            found = {name: _like(case.subjects[name], subject) for name, subject in case.opens()}
    except Exception:  # an edit may break the target in any way; then it is no cure
        return {}
    subjects = {name: subject for name, subject in found.items() if subject is not None}
    return subjects if subjects.keys() == case.subjects.keys() else {}


def _like(before: Judged, after: Judged) -> Judged | None:
    """The edited subject measured as the one before: a helper by the same convention, a loss on coarse grids."""
    if type(before) is not type(after):
        return None
    if isinstance(before, Helper) and isinstance(after, Helper):
        return before.trial(after.function)
    assert isinstance(before, Subject)
    assert isinstance(after, Subject)
    return dataclasses.replace(after, finest=1) if _runs_as_far(before, after) else None


def _runs_as_far(before: Subject, after: Subject) -> bool:
    """Whether a script with an edit was recorded as far as without: one that breaks off is not seen to go wrong."""
    if before.loop is None or after.loop is None:
        return before.loop is after.loop
    return len(before.loop.minibatches) == len(after.loop.minibatches) and before.not_covered == after.not_covered


def glimpsed(case: Case, variant: str, file: str, text: str) -> Judged | None:
    """One subject with `text` in place of a file, its roles and layout taken over; None where it cannot be had so."""
    before = case.subjects[variant]
    try:
        with in_place_of(file, text, case.spec):
            if isinstance(before, Returns | Credit):
                return before.trial(case.function())
            # Which way round a mask is read may be what the edit changes: then it has to be measured anew.
            is_plain = isinstance(before, Subject) and not before.cuts and before.layout.mask_keeps
            if isinstance(before, Subject) and is_plain and call_of(before) is not None:
                return _called(before, case.function())
    except Exception:  # an edit may break the target in any way; then it is no cure
        return None
    return opened(case, file, text).get(variant)


def _called(before: Subject, function: Callable[..., Any]) -> Subject:
    """The subject with another function in its call."""
    call = call_of(before)
    assert call is not None
    assert isinstance(before.evaluate, functools.partial)
    others = before.evaluate.args[1:]
    evaluate = functools.partial(before.evaluate.func, dataclasses.replace(call, function=function), *others)
    return dataclasses.replace(before, evaluate=evaluate, finest=1)


def call_of(subject: Subject) -> Call | None:
    """How a function is called, where the subject is one."""
    args = subject.evaluate.args if isinstance(subject.evaluate, functools.partial) else ()
    return args[0] if args and isinstance(args[0], Call) else None
