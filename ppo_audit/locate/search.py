"""The search: edits at the calls of the slice, those named by the violation first, until one cures it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location, Violation
from ppo_audit.locate.edits import Edit, edits_of, signs_of, stops_of
from ppo_audit.locate.mending import mended
from ppo_audit.locate.place import Place
from ppo_audit.locate.source import location_of
from ppo_audit.recording.graph import backward_slice
from ppo_audit.recording.trace import Op
from ppo_audit.rules import Page, catalogue, load_check
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.returns import Returns
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject

BUDGET = 120
"""Edits tried at the most for one violation."""
GUARDS = ("PPO104", "PPO102", "PPO103", "PPO206", "PPO301", "PPO401")
"""Rules that a cure may not break: an edit that kills the loss cures everything."""



def locate(subject: Judged, page: Page, violation: Violation) -> Place:
    """The line where the rule saw it happen, else the call whose replacement cures it, else the site that the rule names."""
    if violation.place is not None:
        return Place(violation.place)
    if isinstance(subject, Returns):
        return mended(subject, page, violation)
    sites = subject.anatomy.sites
    named = sites.get(violation.site) or sites.get("policy_reduction") or sites.get("total")
    if page.rule.code in HAZARDS:
        return Place(_location(named, subject))
    cure = _cure(subject, page, violation)
    if cure is not None:
        return Place(
            _location(cure.op, subject), f"With {cure.text}, the violation is gone and no guard rule is newly broken."
        )
    return Place(_location(named, subject))


HAZARDS = frozenset(("PPO101", "PPO109", "PPO201", "PPO202", "PPO207", "PPO208", "PPO307", "PPO411"))
"""Rules whose site is the quantity itself: the code there does what it says, and saying it is the problem."""


def _cure(subject: Subject, page: Page, violation: Violation) -> Edit | None:
    check = load_check(page)
    guards = [load_check(catalogue()[code]) for code in GUARDS if code in catalogue() and code != page.rule.code]
    guards = [guard for guard in guards if not _flags(guard, subject)]
    explained = [load_check(catalogue()[code]) for code in violation.explains if code in catalogue()]
    partial: Edit | None = None
    for edit in islice(_candidates(subject, page, violation), BUDGET):
        mended = subject.repaired({edit.op.key: edit.replacement})
        if not _passes(check, mended) or any(_flags(guard, mended) for guard in guards) or _gives_up(subject, mended):
            continue
        if not any(_flags(other, mended) for other in explained):
            return edit
        partial = partial or edit
    return partial


def _gives_up(subject: Subject, mended: Subject) -> bool:
    """Whether the edit removes something that the loss claims to do, such as the clip itself."""
    return not subject.profile.claims <= mended.profile.claims


def _passes(check: Callable[[Subject], Any], subject: Subject) -> bool:
    try:
        return check(subject) is None
    except Exception:  # an edit may break the target in any way; then it is no cure
        return False


def _flags(check: Callable[[Subject], Any], subject: Subject) -> bool:
    try:
        return check(subject) is not None
    except NotApplicable:
        return False
    except Exception:
        return True


def _candidates(subject: Subject, page: Page, violation: Violation) -> Iterator[Edit]:
    """Replacements at the named site, then along the slice from the loss down; insertions last.

    Only a missing stop-gradient is cured by one: any other violation goes away with the gradient.
    """
    run = subject.run(subject.rows(subject.capacity or 8))
    ops = _ordered(subject, run, violation)
    for op in ops:
        yield from edits_of(op, tuple(run.trace.tensors[number].shape for number in op.inputs))
    for op in ops:
        if any(run.trace.tensors[number].is_floating_point() for number in op.outputs):
            yield from (stops_of(op) if page.rule.family == "gradient-flow" else signs_of(op))


def _ordered(subject: Subject, run: Run, violation: Violation) -> Sequence[Op]:
    sliced = backward_slice(run.trace, [run.total], stop=run.numbers.values())[::-1]
    named = subject.anatomy.sites.get(violation.site)
    first = [op for op in sliced if named is not None and op.key == named.key]
    roles = subject.roles_of(run)
    rest = [op for op in sliced if op not in first and op.site is not None and roles.get(op.outputs[0])]
    return [*first, *rest]


def _location(op: Op | None, subject: Subject) -> Location | None:
    site = op.site if op is not None else None
    return location_of(site) if site is not None else None
