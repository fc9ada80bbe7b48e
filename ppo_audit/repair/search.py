"""The search for a fix: slips undone one at a time at the located lines, until what cures is known."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ppo_audit.findings import Choice, Edit, Finding, Fix, Replacement, Severity
from ppo_audit.journal import Journal, repair_stage
from ppo_audit.locate.place import CURED_BY_SOURCE, MOST_ALTERNATIVES, NOT_CURED
from ppo_audit.locate.source import on_line
from ppo_audit.repair.behaviour import Computed, alike, behaviour
from ppo_audit.repair.change import applied, diff, digest_of
from ppo_audit.repair.judging import UNCOVERED, Harm, changes, harm, is_cured, price
from ppo_audit.repair.reproduction import reproduction
from ppo_audit.repair.slips import PLAIN, Slip, forms, slips
from ppo_audit.repair.source import Source, Spot
from ppo_audit.repair.tempering import tempered
from ppo_audit.repair.trials import Case, Opened, glimpsed, opened
from ppo_audit.repair.unread import unread
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.subject import Subject

DESIGNS = frozenset(("PPO101", "PPO207", "PPO208", "PPO307"))
"""Rules that judge a design."""
OTHERS = 8
"""Further edits of the kind that cures which are tried, to see whether it is the only one."""
MOST_CHOICES = 3
"""Different cures shown at the most."""


@dataclass(frozen=True)
class Candidate:
    """An edit of a file, in place of what, and the text of the file with it."""

    replacement: Replacement
    was: str
    text: str


@dataclass(frozen=True)
class Cure:
    """A candidate after which the rule is content, and what the target then computes."""

    candidate: Candidate
    trial: Judged
    computes: Computed
    slip: object = None
    uncovered: tuple[str, ...] = ()


def repaired(found: Sequence[Finding], case: Case, trials: int, journal: Journal) -> list[Finding]:
    """The findings with their fixes; one in whose search an earlier worker was lost stays as it is."""
    mended: list[Finding] = []
    for finding in found:
        variant = finding.variant or next(iter(case.subjects))
        stage = repair_stage(variant, finding.rule)
        if journal.gave_up(stage):
            mended.append(finding)
            continue
        journal.enter(stage)
        shown = replace(finding, reproduction=reproduction(case.spec, case.subjects[variant], finding))
        mended.append(with_fix(shown, _heard(case, journal, stage), variant, trials))
    return mended


def _heard(case: Case, journal: Journal, stage: str) -> Case:
    """The case, with the journal told whenever the target is opened anew: each time it has the limit of a stage."""

    def opens() -> Opened:
        journal.enter(stage)
        return case.opens()

    return replace(case, opens=opens)


def with_fix(finding: Finding, case: Case, variant: str, trials: int) -> Finding:
    """The finding with a source edit that was tried, or with several between which only the author can choose."""
    if finding.fix is None:
        return finding
    file = Path(finding.location.file) if finding.location is not None else None
    is_priced = finding.rule in PRICED
    if file is None or (_is_open(finding, case) and not is_priced) or not file.is_file():
        return replace(finding, fix=replace(finding.fix, verified=False))
    source = _read(str(file), file.read_text(encoding="utf-8"))
    if is_priced:
        choices = tuple(_priced(finding, case, variant, source))
        return replace(finding, fix=replace(finding.fix, verified=False, choices=choices))
    found, costly = _cures(finding, case, variant, source, trials)
    fix = _fix(finding.fix, found, (case, variant), source)
    if not found:
        costing = (_costing(cure, finding, case, variant, source) for cure in costly)
        fix = replace(fix, choices=tuple(choice for choice in costing if choice is not None))
    mended = _at_its_edit(replace(finding, fix=fix))
    return mended if case.subjects[variant].kind == "trainer" else tempered(mended)  # a dozen runs are not all edits


def _at_its_edit(finding: Finding) -> Finding:
    """The finding at the line whose edit is proved to cure it, and with that reason."""
    edit, place = finding.fix.edit if finding.fix else None, finding.location
    if edit is None or place is None:
        return finding
    (replacement,) = edit.replacements
    if replacement.line <= (place.end_line or place.line) and place.line <= replacement.end_line:
        is_new = finding.evidence.get("why_this_line") == NOT_CURED
        return replace(finding, evidence={**finding.evidence, "why_this_line": CURED_BY_SOURCE}) if is_new else finding
    others = (place, *(other for other in finding.alternatives if other.line != replacement.line))
    evidence = {**finding.evidence, "why_this_line": CURED_BY_SOURCE}
    columns = {name: getattr(replacement, name) for name in ("column", "end_line", "end_column")}
    located = replace(on_line(place.file, replacement.line), **columns)
    return replace(finding, location=located, alternatives=others[:MOST_ALTERNATIVES], evidence=evidence)


_read = functools.lru_cache(maxsize=8)(Source)
"""A file is parsed once for all findings in it."""

PRICED: Mapping[str, tuple[Slip, tuple[str, ...]]] = {"PPO101": (forms.bounded, ("PPO102", "PPO106", "PPO109"))}
"""Rules of designs whose cures are known and cost something: the cures, and the rules that tell what."""


def _priced(finding: Finding, case: Case, variant: str, source: Source) -> Iterator[Choice]:
    """The cures of a design, each with what the rules say of the loss with it."""
    slip, judges = PRICED[finding.rule]
    lines = [finding.location.line] if finding.location is not None else []
    for _, candidate in itertools.islice(_at_lines(source, lines, (slip,), {source.text}), MOST_CHOICES):
        cure = _tried(candidate, finding, case, variant, source)
        if cure is not None:
            yield _choice(cure, price(case, variant, cure.trial, judges), source)


def _costing(cure: Cure, finding: Finding, case: Case, variant: str, source: Source) -> Choice | None:
    """A cure that brings back hazards and breaks nothing else, with what they are; None where it does."""
    done = harm(case, variant, cure.trial, (finding.rule, *finding.also), accepted=UNCOVERED)
    if done.broken is not None or not _is_tidy(cure.candidate, source, cure.candidate.replacement.line):
        return None
    return _choice(cure, price(case, variant, cure.trial, done.uncovered), source)


def _choice(cure: Cure, costs: str, source: Source) -> Choice:
    tidy = _tidied(cure, source)
    edit = Edit(source.file, digest_of(source.text), (tidy.candidate.replacement,))
    return Choice(_said(tidy), costs, diff(source.file, source.text, tidy.candidate.text), edit)


def _is_open(finding: Finding, case: Case) -> bool:
    """Whether what is meant cannot be told: of a design, which is the author's choice, and of a trainer's loop.

    Rules of loops ask for one property each, and many edits that nobody meant have it too.
    """
    is_choice = finding.rule in UNCOVERED and finding.severity is Severity.POTENTIAL
    return is_choice or finding.rule in DESIGNS or case.page(finding.rule).rule.family == "trainer"


def _cures(finding: Finding, case: Case, variant: str, source: Source, trials: int) -> tuple[list[Cure], list[Cure]]:
    """One cure of each behaviour, in the order in which they were found; all are slips of one kind.

    Beside them stand the first cures that bring a hazard of designs with them.
    """
    found: list[Cure] = []
    costly: list[Cure] = []
    last: int | None = None
    for tried, (slip, candidate) in enumerate(_candidates(source, finding, trials)):
        if found and (slip is not found[0].slip or tried == last):
            break
        cure = _tried(candidate, finding, case, variant, source)
        if cure is None or any(alike(cure.computes, other.computes) for other in found):
            continue
        done = _harm(cure, finding, case, variant, source)
        if done.broken is None:
            last = tried + OTHERS if last is None else last
            found.append(replace(cure, slip=slip, uncovered=done.uncovered))
        elif done.broken in UNCOVERED and len(costly) < MOST_CHOICES:
            costly.append(replace(cure, slip=slip))
    return [cure for cure in found[:MOST_CHOICES] if _holds(cure, finding, case, variant, source)], costly


def _harm(cure: Cure, finding: Finding, case: Case, variant: str, source: Source) -> Harm:
    """What a cure breaks. With a mask the target is opened anew to be sure: a fault may have hidden its polarity."""
    explained = (finding.rule, *finding.also)
    done = harm(case, variant, cure.trial, explained)
    if done.broken is None or "mask" not in getattr(cure.trial, "available", ()):
        return done
    afresh = opened(case, source.file, cure.candidate.text).get(variant)
    return done if afresh is None else harm(case, variant, afresh, explained)


def _is_tidy(candidate: Candidate, source: Source, line: int) -> bool:
    """Whether the edit leaves no name unread that the function has computed."""
    return unread(candidate.text, line) <= unread(source.text, line)


def _holds(cure: Cure, finding: Finding, case: Case, variant: str, source: Source) -> bool:
    """Whether the target opened anew with the edit computes the same, and its other variants are no worse either."""
    trials = opened(case, source.file, cure.candidate.text)
    if not trials or not alike(behaviour(trials[variant]), _in_layout_of(trials[variant], cure)):
        return False
    explained = (finding.rule, *finding.also)
    others = [name for name in trials if name != variant]
    return all(harm(case, name, trials[name], explained).broken is None for name in others)


def _in_layout_of(afresh: Judged, cure: Cure) -> Computed:
    """What the cure computes on the batches that the target opened anew takes, of sequences perhaps and not of rows."""
    if not isinstance(afresh, Subject) or not isinstance(cure.trial, Subject) or afresh.layout == cure.trial.layout:
        return cure.computes
    return behaviour(replace(cure.trial, layout=afresh.layout))


def _candidates(source: Source, finding: Finding, trials: int) -> Iterator[tuple[object, Candidate]]:
    """The edit that the place was found by, then slips at its lines, then the plainest slips at its neighbours."""
    seen = {source.text}
    located = _located(source, finding)
    if located is not None:
        seen.add(located.text)
        yield _located, located
    lines = [place.line for place in (finding.location, *finding.alternatives) if place is not None]
    around = sorted(set(source.function_lines(lines[0])) - set(lines), key=lambda line: abs(line - lines[0]))
    nearby, proof = trials // 3, finding.fix.proof if finding.fix else ""
    yield from itertools.islice(_at_lines(source, lines, slips(finding.rule, proof), seen), trials - nearby)
    yield from itertools.islice(_at_lines(source, around, PLAIN, seen), nearby)


def _at_lines(
    source: Source, lines: Sequence[int], kinds: Iterable[Slip], seen: set[str]
) -> Iterator[tuple[object, Candidate]]:
    """Every slip undone at every expression of the lines, each text of the file once."""
    statements = [statement for line in lines for statement in source.statements(line)]
    spots = [spot for statement in dict.fromkeys(statements) for spot in source.spots(statement)]
    for slip in kinds:
        for candidate in _of_slip(source, spots, slip):
            if candidate.text not in seen and _compiles(candidate.text):
                seen.add(candidate.text)
                yield slip, candidate


def _located(source: Source, finding: Finding) -> Candidate | None:
    """The edit that the place was found by, where that is one of source."""
    lines = (finding.fix.diff or "").splitlines() if finding.fix else []
    (was, now) = ([line[1:] for line in lines if re.match(sign, line)] for sign in (r"-(?!--)", r"\+(?!\+\+)"))
    place = finding.location
    if place is None or len(was) != 1 or len(now) != 1 or source.text.splitlines()[place.line - 1] != was[0]:
        return None
    start, end = _common(was[0], now[0])
    replacement = Replacement(
        place.line, start + 1, place.line, len(was[0]) - end + 1, now[0][start : len(now[0]) - end]
    )
    return Candidate(replacement, was[0].strip(), applied(source.text, (replacement,)))


def _common(was: str, now: str) -> tuple[int, int]:
    """How many characters two lines share at their beginning and, of what is left, at their end."""
    start = _shared(was, now)
    return start, _shared(was[start:][::-1], now[start:][::-1])


def _shared(one: str, other: str) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _of_slip(source: Source, spots: Sequence[Spot], slip: Slip) -> Iterator[Candidate]:
    """The first that may belong to each expression, then the second, and so on."""
    for turn in itertools.zip_longest(*([(spot, text) for text in slip(spot)] for spot in spots)):
        for spot, text in filter(None, turn):
            replacement = spot.put(text)
            yield Candidate(replacement, spot.text, applied(source.text, (replacement,)))


def _compiles(text: str) -> bool:
    try:
        compile(text, "<edited>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return True


def _tried(candidate: Candidate, finding: Finding, case: Case, variant: str, source: Source) -> Cure | None:
    trial = glimpsed(case, variant, source.file, candidate.text)
    try:
        if trial is None or not is_cured(case, (finding.rule, *finding.also), variant, trial):
            return None
    except Exception:  # an edit may break the target in any way; then it is no cure
        return None
    if finding.location is None or not _is_tidy(candidate, source, finding.location.line):
        return None
    computes = behaviour(trial)
    was_computed = behaviour(case.subjects[variant]) is not None
    return None if computes is None and was_computed else Cure(candidate, trial, computes)


def _fix(fix: Fix, found: Sequence[Cure], of: tuple[Case, str], source: Source) -> Fix:
    """The fix with the one edit that cures, or with the choice between several."""
    if not found:
        return replace(fix, verified=False)
    (case, variant), found = of, [_tidied(cure, source) for cure in found]
    (first, *others) = found
    edits = [Edit(source.file, digest_of(source.text), (cure.candidate.replacement,)) for cure in found]
    diffs = [diff(source.file, source.text, cure.candidate.text) for cure in found]
    if not others:
        return replace(fix, diff=diffs[0], verified=True, proof=_proof(first), edit=edits[0])
    prices = [changes(case.subjects[variant], cure.trial) for cure in found]
    each = zip(found, prices, diffs, edits, strict=True)
    choices = tuple(Choice(_said(cure), costs, text, edit) for cure, costs, text, edit in each)
    return replace(fix, diff=None, verified=False, choices=choices)


def _tidied(cure: Cure, source: Source) -> Cure:
    """The same edit without the parentheses that it does not need."""
    candidate = cure.candidate
    meaning = ast.dump(ast.parse(candidate.text))
    for start, end in _pairs(candidate.replacement.text):
        text = candidate.replacement.text
        inside = text[start + 1 : end]
        shorter = replace(candidate.replacement, text=f"{text[:start]}{inside}{text[end + 1 :]}")
        edited = applied(source.text, (shorter,))
        if f"({inside})" not in candidate.was and _compiles(edited) and ast.dump(ast.parse(edited)) == meaning:
            return _tidied(replace(cure, candidate=Candidate(shorter, candidate.was, edited)), source)
    return cure


def _pairs(text: str) -> Iterator[tuple[int, int]]:
    """Where parentheses open and close, outer ones last."""
    opened: list[int] = []
    for place, sign in enumerate(text):
        if sign == "(":
            opened.append(place)
        elif sign == ")" and opened:
            yield opened.pop(), place


def _proof(cure: Cure) -> str:
    proof = f"With {_said(cure)}, the violation is gone and no other rule is newly broken."
    if not cure.uncovered:
        return proof
    return f"{proof} Hazards that the fault had hidden can be judged again: {', '.join(cure.uncovered)}."


def _said(cure: Cure) -> str:
    candidate = cure.candidate
    if cure.slip is _located:
        line = candidate.text.splitlines()[candidate.replacement.line - 1].partition("  #")[0].strip()
        return f"`{line}` in place of `{candidate.was.partition('  #')[0]}`"
    return f"`{candidate.replacement.text}` in place of `{candidate.was}`"
