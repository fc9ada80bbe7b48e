"""The rules under test: every fault of the corpus injected, every correct loss audited, and the matrix of both.

A cell is a fault or a correct loss against the rules that flagged it. Figures: faults flagged at all, flagged by their
owning rule, with the owner's finding at the edited line, and findings on correct losses that are no true hazard of
theirs.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from ppo_audit.corpus import catalogue, helper_catalogue
from ppo_audit.findings import Finding, Severity
from ppo_audit.rules import catalogue as rules
from ppo_audit.settings import Settings

ALL_CORRECT = (*catalogue.CORRECT, *helper_catalogue.HELPERS)
ALL_FAULTS = (*catalogue.FAULTS, *catalogue.FAULTS_LATER, *helper_catalogue.FAULTS)
SETTINGS = {
    "probability_ratio": Settings(roles=(("old_log_prob", "old_action_probs"),)),
    "policy_and_batch": Settings(inputs=f"{catalogue.FOLDER}/policy_and_batch.py:make_args"),
    "upcast_lost": Settings(values=(("dtype", "bfloat16"),)),
}
"""What a user has to say of a base or a fault where names do not tell."""


@dataclass(frozen=True)
class Cell:
    """A target of the self-test. `flagged`: the rules with a grave finding or part in one; `owner` should be first."""

    name: str
    base: str
    owner: str | None
    flagged: tuple[str, ...]
    is_owned: bool
    is_at_line: bool
    false_alarms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Figures:
    """Shares of the faults, and the number of false alarms on correct losses."""

    faults: int
    flagged: float
    owned: float
    at_line: float
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
    correct = {each.name: each for each in ALL_CORRECT}
    if name in correct:
        return _correct_cell(correct[name])
    return _fault_cell(next(fault for fault in ALL_FAULTS if fault.name == name))


def _correct_cell(correct: catalogue.Correct) -> Cell:
    grave = _grave(correct.path, correct.attribute, correct.name)
    alarms = tuple(finding.rule for finding in grave if finding.rule not in correct.hazards)
    return Cell(correct.name, correct.name, None, tuple(f.rule for f in grave), True, True, alarms)


def _fault_cell(fault: catalogue.Fault) -> Cell:
    base = next(correct for correct in ALL_CORRECT if correct.name == fault.base)
    with tempfile.TemporaryDirectory() as folder:
        found = _findings(catalogue.write(fault, Path(folder)), base.attribute, fault.name, fault.base)
    flagged = tuple(dict.fromkeys(rule for finding in found for rule in (finding.rule, *finding.also)))
    own = next((finding for finding in found if finding.rule == fault.rule), None)
    fresh = tuple(rule for rule in flagged if rule not in base.hazards or rule == fault.rule)
    return Cell(fault.name, fault.base, fault.rule, fresh, own is not None, own is not None and _is_at(own, fault))


def _is_at(finding: Finding, fault: catalogue.Fault) -> bool:
    places = [finding.location, *finding.alternatives]
    return any(place is not None and place.line in catalogue.lines_of(fault) for place in places)


def _grave(path: Path, attribute: str, name: str) -> list[Finding]:
    return [finding for finding in _findings(path, attribute, name, name) if finding.severity <= Severity.SERIOUS]


def _findings(path: Path, attribute: str, *names: str) -> Sequence[Finding]:
    from ppo_audit.api import audit

    settings = next((SETTINGS[name] for name in names if name in SETTINGS), Settings())
    return audit(f"{path}:{attribute}", settings).findings


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
        correct=len(correct),
        false_alarms=sum(len(each.false_alarms) for each in correct),
        silent_rules=tuple(code for code in rules() if code not in seen),
    )


def worse(before: Sequence[Mapping[str, object]], cells: Sequence[Cell]) -> list[str]:
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
        elif new.false_alarms and not old["false_alarms"]:
            lost.append(f"{new.name}: false alarm by {', '.join(new.false_alarms)}")
    return lost


def table(cells: Sequence[Cell]) -> list[str]:
    """The figures in words, and every fault that is not met as it should be."""
    found = figures(cells)
    lines = [
        f"{found.faults} written faults: {found.flagged:.1%} flagged, {found.owned:.1%} by the owning rule, "
        f"{found.at_line:.1%} at the edited line",
        f"{found.correct} correct losses and helpers: {found.false_alarms} false alarms at or above serious",
        f"{len(found.silent_rules)} rules never seen to "
        f"flag{': ' * bool(found.silent_rules)}{', '.join(found.silent_rules)}",
    ]
    lines += [f"  {c.owner} {c.name}: not flagged by it" for c in cells if c.owner in rules() and not c.is_owned]
    lines += [f"  {c.owner} {c.name}: at another line" for c in cells if c.is_owned and not c.is_at_line]
    return lines + [f"  false alarm on {c.name}: {', '.join(c.false_alarms)}" for c in cells if c.false_alarms]


def matrix(cells: Sequence[Cell]) -> str:
    """The matrix as JSON, one line a cell so that a change reads as a diff."""
    return "[\n" + ",\n".join(json.dumps(asdict(each)) for each in cells) + "\n]\n"
