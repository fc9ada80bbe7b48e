"""The search: edits at the calls of the slice, those named by the violation first, until one cures it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location, Status, Violation
from ppo_audit.locate.edits import Edit, edits_of, signs_of, squares_of, stops_of
from ppo_audit.locate.effects import FAILURES, alike, effects, probes
from ppo_audit.locate.insertions import Scene, complements_of, exchanges, insertions_of, turned_throughout
from ppo_audit.locate.mending import mended
from ppo_audit.locate.place import MOST_ALTERNATIVES, NOT_CURED, Place, tried_elsewhere
from ppo_audit.locate.source import forward_of, location_of, setting_of
from ppo_audit.recording.graph import NONE, Roles, backward_slice, plain
from ppo_audit.recording.trace import Op, OpKey
from ppo_audit.rules import Page, catalogue, load_check
from ppo_audit.subjects.judged import Helper, Judged
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.pieces import PROBABILITIES
from ppo_audit.targets.resolve import is_own

BUDGET = 120
"""Edits tried at the most for one violation."""
GUARDS = ("PPO104", "PPO102", "PPO103", "PPO105", "PPO206", "PPO301", "PPO302", "PPO303", "PPO401")
"""Rules that a cure may not break: an edit that kills the loss cures everything."""


Said = Mapping[str, Status]
"""How each rule ended on the subject, by code."""


def locate(subject: Judged, page: Page, violation: Violation, said: Said) -> Place:
    """The line where the rule saw it happen, else the call whose replacement cures it, else the site the rule names."""
    if isinstance(subject, Helper):
        return Place(violation.place, why=SEEN) if violation.place else mended(subject, page, violation)
    if violation.place is not None and page.rule.family not in SEARCHED:
        return _seen(subject, page, violation, violation.place, said)
    sites = subject.anatomy.sites
    is_credit = page.rule.family in ("advantages", "groups")
    names = (violation.site, *(("effective_advantage",) if is_credit else ()), "policy_reduction", "total")
    named = next((sites[name] for name in names if name in sites), None)
    seen = violation.place or _location(named)
    if page.rule.code in HAZARDS:
        return Place(seen)
    candidates = list(islice(_candidates(subject, page, violation), BUDGET))
    cure = _cure(subject, page, violation, candidates, said)
    if cure is None:
        return Place(seen, why=SEEN if violation.place else NOT_CURED)
    places = {place.line: place for place in _places(cure, candidates, subject)}
    if violation.place is not None:
        places.setdefault(violation.place.line, violation.place)
    first, *others = islice(places.values(), 1 + MOST_ALTERNATIVES)
    before = [edit.op.site.line for edit in candidates[: candidates.index(cure)] if edit.op.site is not None]
    why = tried_elsewhere(before, [place.line for place in places.values()])
    return Place(first, _proof(cure), alternatives=tuple(others), why=why)


SEEN = "The rule saw it happen at this line."


def _seen(subject: Subject, page: Page, violation: Violation, place: Location, said: Said) -> Place:
    """The place that a rule saw; what is wrong may be a mask that is turned round, or a forward pass."""
    if page.rule.family == "mask":
        run = subject.run(subject.rows(subject.capacity or 8))
        scene = Scene(subject, run, subject.roles_of(run))
        turned = [edit for op in _theirs(run.trace.ops) for edit in complements_of(op, scene)]
        cure = _cure(subject, page, replace(violation, place=None), turned, said)
        if cure is not None:
            return Place(_lines_of(cure)[0], _proof(cure), alternatives=(place,))
    return Place(place, alternatives=tuple(forward_of(place)[:MOST_ALTERNATIVES]), why=SEEN)


def _proof(cure: Edit) -> str:
    return f"With {cure.text}, the violation is gone and no guard rule is newly broken."


def _places(cure: Edit, candidates: Sequence[Edit], subject: Subject) -> Iterator[Location]:
    """The line of the cure, then the others where an edit does the same to the loss, in the order of their trial."""
    yield from _lines_of(cure)
    batches = probes(subject)
    try:
        cured = list(effects(subject.repaired(cure.interventions), batches))
    except FAILURES:
        return
    named = {place.line for place in _lines_of(cure)}
    for edit in candidates:
        fresh = [place for place in _lines_of(edit) if place.line not in named]
        if fresh and alike(cured, effects(subject.repaired(edit.interventions), batches)):
            named.update(place.line for place in fresh)
            yield from fresh


def _lines_of(edit: Edit) -> list[Location]:
    """Where one would edit: the variable that a call takes an argument from, then the call."""
    site = edit.op.site
    setting = setting_of(site, edit.argument) if site is not None and edit.argument else None
    return [place for place in (setting, _location(edit.op)) if place is not None]


SEARCHED = frozenset(("ratio", "clip", "value", "reduction"))
"""Families where a call may cure what the rule saw at another one; the places that others see are those to edit."""
HAZARDS = frozenset(("PPO101", "PPO109", "PPO201", "PPO202", "PPO207", "PPO208", "PPO307"))
"""Rules whose site is the quantity itself: the code there does what it says, and saying it is the problem."""


def _cure(subject: Subject, page: Page, violation: Violation, candidates: Sequence[Edit], said: Said) -> Edit | None:
    check = load_check(page)
    others = [catalogue()[code] for code in GUARDS if code in catalogue() and code != page.rule.code]
    guards = [guard for guard in others if not _flagged(guard, subject, said)]
    explained = [catalogue()[code] for code in violation.explains if code in catalogue()]
    partial: Edit | None = None
    for edit in candidates:
        mended = subject.repaired(edit.interventions)
        if not _passes(check, mended) or any(_flags(guard, mended) for guard in guards) or _gives_up(subject, mended):
            continue
        if not any(_flags(other, mended) for other in explained):
            return edit
        partial = partial or edit
    return partial if violation.place is None else None


def _flagged(page: Page, subject: Subject, said: Said) -> bool:
    """Whether a rule flags the subject as it is: where it was selected, that is known."""
    known = said.get(page.rule.code)
    return _flags(page, subject) if known is None else known in (Status.FLAGGED, Status.ERRORED)


def _gives_up(subject: Subject, mended: Subject) -> bool:
    """Whether the edit removes something that the loss claims to do, such as the clip itself."""
    try:
        return not subject.profile.claims <= mended.profile.claims
    except NotApplicable:  # what can no longer be measured is no repair
        return True


def _passes(check: Callable[[Subject], Any], subject: Subject) -> bool:
    try:
        return check(subject) is None
    except Exception:  # an edit may break the target in any way; then it is no cure
        return False


def _flags(page: Page, subject: Subject) -> bool:
    """Whether a rule flags a subject that it applies to; one that fails counts as flagging."""
    try:
        applies = subject.kind in page.rule.kinds and subject.needs(page.rule.needs) is None
        return applies and load_check(page)(subject) is not None
    except NotApplicable:
        return False
    except Exception:
        return True


def _candidates(subject: Subject, page: Page, violation: Violation) -> Iterator[Edit]:
    """Replacements at the named site, then along the slice from the loss down; insertions last.

    Only a missing stop-gradient is cured by one: any other violation goes away with the gradient.
    """
    run = subject.run(subject.rows(subject.capacity or 8))
    ops = _ordered(subject, run, page, violation)
    scene = Scene(subject, run, subject.roles_of(run))
    for op in ops:
        if not _is_site(op, subject, "clip", "value_clip") or page.rule.code in SATURATION:
            is_given = "log_prob" not in subject.cuts and subject.piece != PROBABILITIES
            is_free = is_given and _is_site(op, subject, "ratio", "log_ratio")
            edits = edits_of(op, tuple(run.trace.tensors[number].shape for number in op.inputs))
            # Given log-probs may be negative ones: which way round their ratio stands is the caller's choice.
            yield from (edit for edit in edits if not (edit.turns and is_free))
    for op in ops:
        if any(run.trace.tensors[number].is_floating_point() for number in op.outputs):
            yield from (stops_of(op) if page.rule.family == "gradient-flow" else signs_of(op))
    for op in ops:
        yield from insertions_of(op, scene)
    yield from exchanges(ops, scene)
    if page.rule.family == "kl":
        yield from turned_throughout(ops, scene)
    for op, *others in _spreads(ops, subject.roles_of(run)):
        yield from squares_of(op, tuple(others))


SATURATION = frozenset(("PPO303", "PPO304"))
"""Rules that a clamp itself may break: for all others, leaving the clip out cures everything."""


def _is_site(op: Op, subject: Subject, *names: str) -> bool:
    """Whether the operation is one of these named sites."""
    sites = (subject.anatomy.sites.get(name) for name in names)
    return any(site is not None and site.key == op.key for site in sites)


def _spreads(ops: Sequence[Op], roles: Mapping[int, Roles]) -> Iterator[list[Op]]:
    """The exponentials of log standard deviations, those of one line together."""
    lines: dict[tuple[str, int], list[Op]] = {}
    for op in ops:
        found = roles.get(op.outputs[0], NONE)
        if plain(op.name) == "exp" and op.site is not None and found and found <= LOG_SPREADS:
            lines.setdefault((op.site.file, op.site.line), []).append(op)
    yield from lines.values()


LOG_SPREADS = frozenset(("log_std", "old_log_std", "ref_log_std"))


def _ordered(subject: Subject, run: Run, page: Page, violation: Violation) -> Sequence[Op]:
    """The operations to edit: the named one, those of the violated term from the loss down, what makes its roles.

    Left out is what a role's own tensor comes from where the rule sets the role, and so judges what follows.
    """
    given = set(run.numbers.values()) | (_effective(subject, run) if _sets_advantage(page) else set())
    term = _of_term(subject, run, given, TERM_OF.get(page.rule.family, violation.site))
    upstream = _theirs(backward_slice(run.trace, _made(subject, run)))
    named = subject.anatomy.sites.get(violation.site)
    theirs = _theirs(backward_slice(run.trace, [run.total], stop=given))
    first = [op for op in theirs if named is not None and op.key == named.key]
    roles = subject.roles_of(run)
    rest = [op for op in (*theirs, *upstream) if not term or op.key in term or op in upstream]
    return list({op.key: op for op in (*first, *(op for op in rest if roles.get(op.outputs[0])))}.values())


def _theirs(ops: Sequence[Op]) -> list[Op]:
    """The operations that stand in the target's code, the last one first."""
    return [op for op in reversed(ops) if op.site is not None and not is_own(op.site.file)]


TERM_OF = {
    "ratio": "policy",
    "clip": "policy",
    "advantages": "policy",
    "groups": "policy",
    "value": "value",
    "entropy": "entropy",
    "kl": "kl",
}
"""The term that the rules of a family judge: an edit beside it cures nothing."""


def _of_term(subject: Subject, run: Run, given: Collection[int], name: str) -> set[OpKey]:
    """The operations of a term and those between it and the loss; none where the loss has no such term."""
    families = subject.anatomy.families.get(name, frozenset())
    parts = [part for part in subject.parts(run) if part.family in families]
    inside = backward_slice(run.trace, [part.atom for part in parts], stop=given)
    return {op.key for op in (*inside, *(op for part in parts for op in part.ops))}


def _made(subject: Subject, run: Run) -> list[int]:
    """The values of the roles that the target computes itself."""
    return [run.numbers[role] for role in subject.cuts if role in run.numbers]


def _sets_advantage(page: Page) -> bool:
    """Whether the rule sets the advantage after normalisation, so that nothing upstream of it can be the place."""
    return page.rule.code.startswith("PPO1") or page.rule.code in ("PPO206", "PPO507")


def _effective(subject: Subject, run: Run) -> set[int]:
    """The value that the effective advantage is, where the loss makes it from the given one."""
    key = subject.anatomy.cuts.get("effective_advantage")
    return {number for op in run.trace.ops if op.key == key for number in op.outputs}


def _location(op: Op | None) -> Location | None:
    site = op.site if op is not None else None
    return location_of(site) if site is not None and not is_own(site.file) else None
