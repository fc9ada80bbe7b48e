"""The script in CleanRL's manner trains, and each of its faults is one edit that trains too."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.targets.cleanrl_faults import FAULTS, SCRIPT, ScriptFault, edited_line, write

faults = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


def train(script: Path, timesteps: int) -> str:
    """Run `script` in a process of its own; return what it printed."""
    command = [sys.executable, str(script), "--total-timesteps", str(timesteps)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def mean_rewards(printed: str) -> list[float]:
    """Mean reward of each iteration."""
    return [float(line.split("mean reward ")[1].split(",")[0]) for line in printed.splitlines()]


def test_the_correct_script_learns() -> None:
    rewards = mean_rewards(train(SCRIPT, timesteps=10_240))
    assert rewards[-1] > 0.5 * rewards[0]


@faults
def test_a_fault_edits_one_place(fault: ScriptFault) -> None:
    assert SCRIPT.read_text().count(fault.old) == 1


@faults
def test_a_faulty_script_differs_at_the_edited_line_alone(fault: ScriptFault, tmp_path: Path) -> None:
    correct, faulty = SCRIPT.read_text().splitlines(), write(fault, tmp_path).read_text().splitlines()
    changed = [number for number, pair in enumerate(zip(correct, faulty, strict=True), 1) if pair[0] != pair[1]]
    assert changed == [edited_line(fault)]


@faults
def test_a_faulty_script_still_runs_an_update(fault: ScriptFault, tmp_path: Path) -> None:
    assert len(mean_rewards(train(write(fault, tmp_path), timesteps=256))) == 1
