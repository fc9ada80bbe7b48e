"""`check --diff`, `--fix` and `--unsafe-fixes`: verified fixes are shown or written, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ppo_audit import cli
from ppo_audit.api import audit_targets
from ppo_audit.commands.fixing import fixed
from ppo_audit.findings import Severity
from ppo_audit.settings import Settings
from tests.repair.losses import CLIPPED, GAE, GAE_SLIPS, SLIPS, faulty

FILES = {f"{name}.py:loss": faulty(CLIPPED, slip) for name, slip in SLIPS.items()} | {
    f"{name}.py:compute_gae": faulty(GAE, slip) for name, slip in GAE_SLIPS.items()
}
TARGET = "max_for_min.py:loss"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main([*arguments, "--in-process"])
    return int(stop.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for spec, text in FILES.items():
        Path(spec.partition(":")[0]).write_text(text)
    return tmp_path


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("*.py")}


def test_ten_faulty_files_are_clean_afterwards_and_a_second_time_nothing_changes(folder: Path):
    assert len(FILES) == 10
    report = fixed(audit_targets, [*FILES], Settings(), unsafe=False)
    assert [finding.rule for finding in report.findings if finding.severity <= Severity.SERIOUS] == []
    after = texts(folder)
    fixed(audit_targets, [*FILES], Settings(), unsafe=False)
    assert texts(folder) == after
    assert all("# the recursion" in text or "# pessimistic" in text for text in after.values())


def test_diff_prints_a_patch_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]):
    before = texts(folder)
    assert run("check", TARGET, "--diff") == 1
    patch = capsys.readouterr().out
    assert texts(folder) == before
    assert "-    policy = -torch.max(" in patch
    if shutil.which("patch"):
        subprocess.run(["patch", "-p0"], input=patch, text=True, check=True, capture_output=True)
        assert texts(folder)["max_for_min.py"] == CLIPPED


def test_fix_writes_what_was_verified_and_reports_what_is_left(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("check", TARGET, "--fix") == 0
    assert texts(folder)["max_for_min.py"] == CLIPPED
    assert "Fixed PPO10" in capsys.readouterr().err


def test_a_file_outside_of_the_working_directory_is_not_touched(folder: Path, capsys: pytest.CaptureFixture[str]):
    inside = folder / "inside"
    inside.mkdir()
    os.chdir(inside)
    before = texts(folder)
    assert run("check", f"{folder}/{TARGET}", "--fix") == 1
    assert texts(folder) == before
    assert "outside of the working directory" in capsys.readouterr().err
