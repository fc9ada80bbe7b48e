"""Training programs in many shapes: correct ones are judged and silent, each fault is flagged at its line."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import Status
from ppo_audit.settings import Settings, rule_codes
from tests.targets.trainer_programs import FAULTS, FOLDER, PROGRAMS, Program, ProgramFault, line_of, write

programs = pytest.mark.parametrize("program", [pytest.param(each, id=each.name) for each in PROGRAMS])
faults = pytest.mark.parametrize("fault", [pytest.param(each, id=each.name) for each in FAULTS])
BESIDE = ("PPO1", "PPO9")
"""Rules that run beside the one that owns a fault, since they might take it for theirs."""


def audited(path: Path, *rules: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (entry,) = audit(str(path), Settings(select=rule_codes(rules) if rules else ())).targets
    return entry


def test_every_program_is_listed():
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted(program.name for program in PROGRAMS)


@programs
def test_a_correct_program_is_judged_and_only_its_true_hazards_are_found(program: Program):
    entry = audited(program.path)
    assert program.declined in (entry.error or "") if program.declined else entry.error is None
    assert sorted({finding.rule for finding in entry.findings}) == sorted(program.hazards)
    assert Status.ERRORED not in {outcome.status for outcome in entry.outcomes}


def test_a_program_that_makes_errors_of_warnings_does_so_for_itself_alone(tmp_path: Path):
    strict = tmp_path / "strict.py"
    strict.write_text("import warnings\nwarnings.simplefilter('error')\n" + (FOLDER / "full_batch.py").read_text())
    assert {finding.rule for finding in audited(strict, "PPO109", "PPO202").findings} == {"PPO109", "PPO202"}


def test_a_rule_that_is_skipped_for_actor_and_critic_says_what_the_nearer_of_the_two_lacks():
    entry = audited(FOLDER / "separate_networks.py", "PPO108", "PPO302")
    reasons = {outcome.rule: outcome.reason for outcome in entry.outcomes}
    assert reasons == {"PPO108": "the loss has no dual clip", "PPO302": "the target does not clip the value"}


@faults
def test_a_fault_edits_one_place(fault: ProgramFault):
    assert (FOLDER / f"{fault.program}.py").read_text().count(fault.old) == 1


@faults
def test_a_fault_is_flagged_by_its_rule_at_its_line_and_by_no_other(fault: ProgramFault, tmp_path: Path):
    program = next(program for program in PROGRAMS if program.name == fault.program)
    entry = audited(write(fault, tmp_path), fault.rule, *BESIDE)
    assert {finding.rule for finding in entry.findings} - set(program.hazards) == {fault.rule}
    (finding,) = [finding for finding in entry.findings if finding.rule == fault.rule]
    assert finding.location is not None
    assert finding.location.line == line_of(fault)
