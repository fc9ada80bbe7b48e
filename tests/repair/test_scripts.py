"""A script is run again for a fix only where one was asked for, and only as often as its time allows."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.repair.loading import in_place_of
from ppo_audit.settings import Settings
from ppo_audit.trainer import script
from tests.targets import trainer_programs

FAULT = next(fault for fault in trainer_programs.FAULTS if fault.name == "max_for_min")


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A faulty program that leaves a mark each time it is run."""
    path = trainer_programs.write(FAULT, tmp_path)
    mark = f"import torch\nwith open({str(tmp_path / 'runs')!r}, 'a') as runs:\n    runs.write('x')\n"
    path.write_text(path.read_text().replace("import torch\n", mark, 1))
    return path


def runs_of(path: Path, settings: Settings) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = audit(str(path), settings)
    assert FAULT.rule in {finding.rule for finding in report.findings}
    return len(path.with_name("runs").read_text())


def test_without_a_wish_for_a_fix_it_is_run_once(counted: Path):
    assert runs_of(counted, Settings(select=(FAULT.rule,))) == 1


def test_with_one_it_is_run_again_for_each_edit(counted: Path):
    assert 1 < runs_of(counted, Settings(select=(FAULT.rule,), reruns=3)) <= 1 + 3 + 1


def test_a_script_that_takes_long_is_not_run_again(counted: Path):
    assert runs_of(counted, Settings(select=(FAULT.rule,), reruns=3, time_limit=0.01)) == 1


def test_a_script_is_run_with_the_text_in_place_of_its_file(tmp_path: Path):
    path = tmp_path / "train.py"
    path.write_text("value = 1\n")
    with in_place_of(str(path), "value = 2\n", str(path)):
        assert script(path, ())()["value"] == 2
    assert script(path, ())()["value"] == 1
    assert path.read_text() == "value = 1\n"
