"""Fixes that are called verified, held against the loss that was meant: the base of each fault, on random batches."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from ppo_audit import selftest
from ppo_audit.api import audit
from ppo_audit.commands.fixing import RERUNS
from ppo_audit.findings import Finding, Severity
from ppo_audit.repair.change import applied
from ppo_audit.repair.tempering import MAY_BE_MEANT
from ppo_audit.settings import Settings
from tests.corpus import calls, catalogue, helper_catalogue, mutation
from tests.repair import helpers, programs
from tests.targets import cleanrl_faults, trainer_programs
from tests.targets.cleanrl_faults import ScriptFault
from tests.targets.trainer_programs import ProgramFault

TOLERANCE = 1e-4
"""Relative: an epsilon of 1e-8 in a denominator may have been one of 1e-7."""


@dataclass(frozen=True)
class Repair:
    """A fault that was flagged: whether it has a verified fix, and the batches on which that is not what was meant."""

    name: str
    rule: str
    fix: str
    differs: tuple[str, ...] = ()


def repair_of_fault(fault: catalogue.Fault) -> Repair | None:
    """The fix of a written fault by its own rule; None where that does not flag it."""
    with tempfile.TemporaryDirectory() as folder:
        path = catalogue.write(fault, Path(folder))
        return _repair(fault.name, path, fault.base, lambda finding: finding.rule == fault.rule)


def repair_of_mutant(mutant: mutation.Mutant) -> Repair | None:
    """The first verified fix of a generated fault; None where it is not flagged."""
    hazards = next(each.hazards for each in catalogue.CORRECT if each.name == mutant.base)
    with tempfile.TemporaryDirectory() as folder:
        path = mutation.write(mutant, Path(folder))
        is_own = lambda finding: finding.rule not in hazards or finding.rule in mutant.owners
        return _repair(mutant.name, path, mutant.base, is_own)


def repair_of_program(fault: ProgramFault | ScriptFault) -> Repair | None:
    """The fix of a faulty training program by its own rule; None where that does not flag it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        is_script = isinstance(fault, ScriptFault)
        path = (cleanrl_faults if is_script else trainer_programs).write(fault, Path(folder))
        meant = cleanrl_faults.SCRIPT if is_script else trainer_programs.FOLDER / f"{fault.program}.py"
        mine = [each for each in audit(str(path), Settings(reruns=RERUNS)).findings if each.rule == fault.rule]
        fix = mine[0].fix if mine else None
        if fix is None or fix.edit is None:
            return Repair(fault.name, fault.rule, "") if mine else None
        repaired = path.with_name("repaired.py")
        repaired.write_text(applied(path.read_text(), fix.edit.replacements))
        return Repair(fault.name, fault.rule, fix.proof, tuple(programs.apart(meant, repaired, TOLERANCE)))


def _repair(name: str, path: Path, base: str, is_own) -> Repair | None:
    attribute = _correct(base).attribute
    settings = _settings(path, base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = audit(f"{path}:{attribute}", settings).findings
        mine = [each for each in found if is_own(each) and (each.severity <= Severity.SERIOUS or _is_tempered(each))]
        if not mine:
            return None
        fixed = next((finding for finding in mine if finding.fix and finding.fix.edit), None)
        if fixed is None:
            return Repair(name, mine[0].rule, "")
        return Repair(name, fixed.rule, fixed.fix.proof, tuple(_apart(path, base, fixed)))


def _is_tempered(finding: Finding) -> bool:
    """Whether a finding was serious until no fix was found: a fault without one counts as such."""
    return MAY_BE_MEANT in finding.message


def _correct(base: str) -> catalogue.Correct:
    return next(each for each in (*catalogue.CORRECT, *helper_catalogue.HELPERS) if each.name == base)


def _settings(path: Path, base: str) -> Settings:
    return next((selftest.SETTINGS[key] for key in (path.stem, base) if key in selftest.SETTINGS), Settings())


def _apart(path: Path, base: str, finding: Finding) -> Iterator[str]:
    """The random batches on which the repaired file is not its base."""
    repaired = path.with_name("repaired.py")
    repaired.write_text(applied(path.read_text(), finding.fix.edit.replacements))
    correct = _correct(base)
    if correct.folder == "helpers":
        yield from helpers.apart(correct.path, repaired, correct.attribute, _settings(path, base), TOLERANCE)
        return
    meant, module = calls.load(correct.path), calls.load(repaired)
    for regime in mutation.RANDOM:
        if max(regime.samples // 2, 1) % calls.CALLS[base].group_size == 0:
            one, other = calls.outcome(meant, base, regime), calls.outcome(module, base, regime)
            if not one.error and not _alike(one, other):
                yield regime.name


def _alike(one: calls.Outcome, other: calls.Outcome) -> bool:
    if other.error or one.gradients.keys() != other.gradients.keys():
        return False
    pairs = [(one.value, other.value), *((one.gradients[name], other.gradients[name]) for name in one.gradients)]
    close = lambda a, b: torch.allclose(a.double(), b.double(), rtol=TOLERANCE, atol=1e-8, equal_nan=True)
    return all(a.shape == b.shape and close(a, b) for a, b in pairs)
