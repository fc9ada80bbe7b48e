"""The rules under test: every fault of the corpus injected, every correct loss audited, and the matrix of both.

A cell is a fault or a correct loss against the rules that flagged it. Figures: faults flagged at all, flagged by their
owning rule, with the owner's finding at the edited line, and findings on correct losses that are no true hazard of
theirs. Beside them stand generated mutants (`corpus/mutation.py`): faults, and designs that are none; their figures are
printed apart.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ppo_audit.corpus import catalogue, helper_catalogue, mutation
from ppo_audit.findings import Finding, Severity, TargetReport
from ppo_audit.rules import catalogue as rules
from ppo_audit.settings import Settings

ALL_CORRECT = (*catalogue.CORRECT, *helper_catalogue.HELPERS)
ALL_FAULTS = (*catalogue.FAULTS, *catalogue.FAULTS_LATER, *helper_catalogue.FAULTS)
SETTINGS = {
    "policy_and_batch": Settings(inputs=f"{catalogue.FOLDER}/policy_and_batch.py:make_args"),
    "upcast_lost": Settings(values=(("dtype", "bfloat16"),)),
}
"""What a user has to say of a base or a fault where names do not tell."""


@dataclass(frozen=True)
class Cell:
    """A target of the self-test. `flagged`: the rules with a grave finding or part in one; `owner` should be first.

    `rank`: which of the lines that the finding names is the edited one, from 1; 0 where it names another, or is none.
    """

    name: str
    base: str
    owner: str | None
    flagged: tuple[str, ...]
    is_owned: bool
    is_at_line: bool
    rank: int
    false_alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """Shares of the faults, and the number of false alarms on correct losses.

    `first` and `in_three` are shares of the flagged faults alone: of how many the edited line is named first, or among
    the first three.
    """

    faults: int
    flagged: float
    owned: float
    at_line: float
    first: float
    in_three: float
    correct: int
    false_alarms: int
    silent_rules: tuple[str, ...]

    def meets_the_goal(self) -> bool:
        """97 % flagged, 95 % owned, 90 % at the line, no false alarm, no rule without a seen flag."""
        shares = self.flagged >= 0.97 and self.owned >= 0.95 and self.at_line >= 0.90
        return shares and not self.false_alarms and not self.silent_rules


def run() -> list[Cell]:
    """Audit the whole corpus, on all cores."""
    names = [correct.name for correct in ALL_CORRECT] + [fault.name for fault in ALL_FAULTS]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), initializer=_one_thread) as pool:
        return list(pool.map(cell, names, chunksize=4))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def cell(name: str) -> Cell:
    """The cell of one correct loss or fault, by name."""
    target = next(each for each in (*ALL_CORRECT, *ALL_FAULTS) if each.name == name)
    return cell_of(target, audited(target))


def audited(target: catalogue.Correct | catalogue.Fault) -> TargetReport:
    """What every rule says of a correct loss, or of a fault that is put into one."""
    if isinstance(target, catalogue.Correct):
        return _audit(target.path, target.attribute, target.name)
    with tempfile.TemporaryDirectory() as folder:
        place = catalogue.write(target, Path(folder))
        return _audit(place, _base_of(target.base).attribute, target.name, target.base)


def cell_of(target: catalogue.Correct | catalogue.Fault, entry: TargetReport) -> Cell:
    """The cell of what was audited."""
    grave = [finding for finding in entry.findings if finding.severity <= Severity.SERIOUS]
    if isinstance(target, catalogue.Correct):
        flagged = tuple(finding.rule for finding in grave)
        alarms = tuple(rule for rule in flagged if rule not in target.hazards)
        return Cell(target.name, target.name, None, flagged, True, True, 0, alarms)
    own = next((finding for finding in entry.findings if finding.rule == target.rule), None)
    found = [finding for finding in entry.findings if finding in grave or finding is own]
    named = dict.fromkeys(rule for finding in found for rule in (finding.rule, *finding.also))
    fresh = tuple(rule for rule in named if rule not in _base_of(target.base).hazards or rule == target.rule)
    rank = _rank(own, catalogue.lines_of(target))
    return Cell(target.name, target.base, target.rule, fresh, own is not None, rank > 0, rank)


def _base_of(name: str) -> catalogue.Correct:
    return next(correct for correct in ALL_CORRECT if correct.name == name)


def _rank(finding: Finding | None, lines: set[int]) -> int:
    """Which of the lines that a finding names is one of these, from 1; 0 for none."""
    places = () if finding is None else (finding.location, *finding.alternatives)
    named = list(dict.fromkeys(place.line for place in places if place is not None))
    return next((index for index, line in enumerate(named, start=1) if line in lines), 0)


def _audit(path: Path, attribute: str, *names: str) -> TargetReport:
    from ppo_audit.api import audit

    settings = next((SETTINGS[name] for name in names if name in SETTINGS), Settings())
    (entry,) = audit(f"{path}:{attribute}", replace(settings, trials=0)).targets
    return entry


@dataclass(frozen=True)
class Generated:
    """A mutant of the self-test: its edit, what the comparison with its base has shown, and which rules flagged it."""

    name: str
    is_fault: bool
    owners: tuple[str, ...]
    old: str
    new: str
    proof: mutation.Proof
    flagged: tuple[str, ...]
    is_owned: bool
    is_at_line: bool
    rank: int


@dataclass(frozen=True)
class GeneratedFigures:
    """Shares of the generated faults, and the designs accused. `unowned`: no right rule can be named beforehand."""

    faults: int
    flagged: float
    owned: float
    unowned: int
    at_line: float
    first: float
    in_three: float
    designs: int
    accused: int
    equivalent: int
    stillborn: int


def run_generated(step: int = 1) -> list[Generated]:
    """Prove and audit every `step`-th mutant of the sample, on all cores."""
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), initializer=_one_thread) as pool:
        return list(pool.map(generated_cell, mutation.sample()[::step], chunksize=2))


def generated_cell(mutant: mutation.Mutant) -> Generated:
    """The cell of one mutant; only one that differs from its base is audited."""
    proof = mutation.prove(mutant)
    found = _found_in(mutant) if proof.verdict == "differs" else []
    own = [finding for finding in found if {finding.rule, *finding.also} & set(mutant.owners)]
    return Generated(
        name=mutant.name,
        is_fault=mutant.is_fault,
        owners=mutant.owners,
        old=mutant.old,
        new=mutant.new,
        proof=proof,
        flagged=tuple(dict.fromkeys(rule for finding in found for rule in (finding.rule, *finding.also))),
        is_owned=bool(own),
        is_at_line=any(_rank(finding, {mutant.line}) for finding in own or found),
        rank=_rank(next(iter(own or found), None), {mutant.line}),
    )


def _found_in(mutant: mutation.Mutant) -> list[Finding]:
    """What is said of a mutant at or above serious, less the hazards that its base has already."""
    base = _base_of(mutant.base)
    with tempfile.TemporaryDirectory() as folder:
        found = _audit(mutation.write(mutant, Path(folder)), base.attribute, mutant.base).findings
    grave = [each for each in found if each.severity <= Severity.SERIOUS]
    return [each for each in grave if each.rule not in base.hazards or each.rule in mutant.owners]


def generated_figures(cells: Sequence[Generated]) -> GeneratedFigures:
    """The shares, over the mutants that differ from their base."""
    living = [each for each in cells if each.proof.verdict == "differs"]
    faults = [each for each in living if each.is_fault]
    owned = [each for each in faults if each.owners]
    designs = [each for each in living if not each.is_fault]
    return GeneratedFigures(
        faults=len(faults),
        flagged=sum(bool(each.flagged) for each in faults) / max(len(faults), 1),
        owned=sum(each.is_owned for each in owned) / max(len(owned), 1),
        unowned=len(faults) - len(owned),
        at_line=sum(each.is_at_line for each in faults) / max(len(faults), 1),
        first=_ranked(faults, 1),
        in_three=_ranked(faults, 3),
        designs=len(designs),
        accused=sum(bool(each.flagged) for each in designs),
        equivalent=sum(each.proof.verdict == "equivalent" for each in cells),
        stillborn=sum(each.proof.verdict == "stillborn" for each in cells),
    )


def _ranked(faults: Sequence[Cell] | Sequence[Generated], most: int) -> float:
    """The share of the flagged faults whose edited line is among the first few that are named."""
    flagged = [each for each in faults if each.flagged]
    return sum(0 < each.rank <= most for each in flagged) / max(len(flagged), 1)


def worse_generated(before: Sequence[Mapping[str, Any]], cells: Sequence[Generated]) -> list[str]:
    """What the stored mutants had and these have lost. Of a part of the sample only that part is compared."""
    old = {str(each["name"]): each for each in before}
    lost = []
    for new in cells:
        was = old.get(new.name)
        if was is None or (was["old"], was["new"]) != (new.old, new.new):
            lost.append(f"{new.name}: not in the stored sample")
        elif new.is_fault:
            lost += [f"{new.name}: {what}" for what in _lost_of(was, new)]
        elif new.flagged and not was["flagged"]:
            lost.append(f"{new.name}: false alarm by {', '.join(new.flagged)}")
    return lost


def _lost_of(was: Mapping[str, Any], new: Generated) -> list[str]:
    lost = {
        f"now {new.proof.verdict}": was["proof"]["verdict"] == "differs" != new.proof.verdict,
        "no longer flagged": bool(was["flagged"]) and not new.flagged,
        "no longer flagged by an owner": was["is_owned"] and not new.is_owned,
        "no longer at its line": was["is_at_line"] and not new.is_at_line,
        "its line is named later": _is_later(was, new),
    }
    return [what for what, is_so in lost.items() if is_so][:1]


def _is_later(was: Mapping[str, Any], new: Cell | Generated) -> bool:
    """Whether the edited line was named, and is now named after others or not at all."""
    before = was.get("rank", 0)  # what was stored before ranks were kept has none
    return bool(before) and not 0 < new.rank <= before


def generated_table(cells: Sequence[Generated]) -> list[str]:
    """The figures in words, every fault not met as it should be, and what was left out with its proof."""
    found = generated_figures(cells)
    lines = [
        f"{found.faults} generated faults: {found.flagged:.1%} flagged, {found.owned:.1%} by an owning rule "
        f"({found.unowned} without one), {found.at_line:.1%} at the edited line",
        f"of the flagged, the edited line is named first in {found.first:.1%}, within three in {found.in_three:.1%}",
        f"{found.designs} generated designs that are no faults: {found.accused} accused at or above serious",
        f"{found.equivalent} mutants equal to their base and {found.stillborn} that cannot run are left out",
    ]
    return lines + [f"  {each.name}: {said}" for each in cells if (said := _said_of(each))]


def _said_of(cell: Generated) -> str:
    edit = f"`{cell.old}` as `{cell.new}`"
    if cell.proof.largest is None:
        return f"{cell.proof.verdict} on {cell.proof.cases} batches, {edit}"
    if cell.proof.verdict != "differs":
        return f"{cell.proof.verdict} on {cell.proof.cases} batches, apart by {cell.proof.largest:.1g} at most, {edit}"
    if not cell.is_fault:
        return f"accused by {', '.join(cell.flagged)}, {edit}" if cell.flagged else ""
    if not cell.flagged:
        return f"not flagged, {edit}"
    if not cell.is_owned:
        return f"flagged by {', '.join(cell.flagged)} only, {edit}"
    return "" if cell.is_at_line else f"at another line, {edit}"


def figures(cells: Sequence[Cell]) -> Figures:
    """The shares, over the faults of rules that exist."""
    faults = [each for each in cells if each.owner is not None and each.owner in rules()]
    correct = [each for each in cells if each.owner is None]
    share = lambda hits: sum(hits) / max(len(faults), 1)
    seen = {rule for each in cells for rule in each.flagged}
    return Figures(
        faults=len(faults),
        flagged=share(bool(each.flagged) for each in faults),
        owned=share(each.is_owned for each in faults),
        at_line=share(each.is_at_line for each in faults),
        first=_ranked(faults, 1),
        in_three=_ranked(faults, 3),
        correct=len(correct),
        false_alarms=sum(len(each.false_alarms) for each in correct),
        # Rules of a trainer's loop have their faults in programs, `tests/targets/trainer_programs.py`.
        silent_rules=tuple(c for c, page in rules().items() if c not in seen and page.rule.kinds != ("trainer",)),
    )


def worse(before: Sequence[Mapping[str, Any]], cells: Sequence[Cell]) -> list[str]:
    """What a stored matrix had and this one has lost: an owner, a line, or the silence of a correct loss."""
    now = {each.name: each for each in cells}
    lost = []
    for old in before:
        new = now.get(str(old["name"]))
        if new is None:
            lost.append(f"{old['name']}: gone from the corpus")
        elif old["is_owned"] and not new.is_owned:
            lost.append(f"{new.name}: no longer flagged by {new.owner}")
        elif old["is_at_line"] and not new.is_at_line:
            lost.append(f"{new.name}: {new.owner} no longer at its line")
        elif _is_later(old, new):
            lost.append(f"{new.name}: its line is named later")
        elif new.false_alarms and not old["false_alarms"]:
            lost.append(f"{new.name}: false alarm by {', '.join(new.false_alarms)}")
    return lost


def table(cells: Sequence[Cell]) -> list[str]:
    """The figures in words, and every fault that is not met as it should be."""
    found = figures(cells)
    lines = [
        f"{found.faults} written faults: {found.flagged:.1%} flagged, {found.owned:.1%} by the owning rule, "
        f"{found.at_line:.1%} at the edited line",
        f"of the flagged, the edited line is named first in {found.first:.1%}, within three in {found.in_three:.1%}",
        f"{found.correct} correct losses and helpers: {found.false_alarms} false alarms at or above serious",
        f"{len(found.silent_rules)} rules never seen to "
        f"flag{': ' * bool(found.silent_rules)}{', '.join(found.silent_rules)}",
    ]
    lines += [f"  {c.owner} {c.name}: not flagged by it" for c in cells if c.owner in rules() and not c.is_owned]
    lines += [f"  {c.owner} {c.name}: at another line" for c in cells if c.is_owned and not c.is_at_line]
    return lines + [f"  false alarm on {c.name}: {', '.join(c.false_alarms)}" for c in cells if c.false_alarms]


def matrix(cells: Sequence[Cell] | Sequence[Generated]) -> str:
    """The matrix as JSON, one line a cell so that a change reads as a diff."""
    return "[\n" + ",\n".join(json.dumps(asdict(each), allow_nan=False) for each in cells) + "\n]\n"
