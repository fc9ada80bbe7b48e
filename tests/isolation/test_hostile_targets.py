"""Whatever targets do, there is a report, it says so, and the good targets in the same command are judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.targets.hostile.cases import FOLDER, HOSTILE, Hostile

ROOT = Path(__file__).parents[2]
GOOD = (f"{FOLDER}/good.py:sound", f"{FOLDER}/good.py:faulty")
QUICK = ("--select", "PPO0,PPO101,PPO104", "--time-limit", "2", "--memory-limit", "0.4", "--jobs", "4")
LEFT_BEHIND = "3617"

Entry = Mapping[str, Any]


def check(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ppo_audit", "check", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> Mapping[str, Entry]:
    """One command over all hostile targets and two good ones, by spec."""
    output = tmp_path_factory.mktemp("hostile") / "report.json"
    done = check(*GOOD, *(case.path for case in HOSTILE), *QUICK, "--output", str(output))
    assert "Traceback" not in done.stderr
    report = json.loads(output.read_text())
    assert report["exit_code"] == done.returncode == 2
    return {entry["target"]: entry for entry in report["targets"]}


def test_every_target_has_its_entry_in_the_order_of_the_command(entries):
    assert [*entries] == [*GOOD, *(case.path for case in HOSTILE)]


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.spec)
def test_the_report_says_what_a_hostile_target_did(case: Hostile, entries):
    entry = entries[case.path]
    assert entry["exit_code"] in case.codes, entry
    assert case.said in json.dumps(entry, ensure_ascii=False)
    assert "bug in ppo-audit" not in json.dumps(entry)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.spec)
def test_what_is_lost_is_never_called_judged(case: Hostile, entries):
    entry = entries[case.path]
    judged = [outcome for outcome in entry["outcomes"] if outcome["outcome"] in ("passed", "flagged")]
    assert judged or entry["exit_code"] in (2, 3)


def test_the_good_targets_are_judged_as_if_they_were_alone(entries):
    sound, faulty = (entries[spec] for spec in GOOD)
    assert (sound["exit_code"], sound["findings"]) == (0, [])
    assert "PPO104" in {finding["rule"] for finding in faulty["findings"]}


def test_rules_that_had_ended_keep_their_outcomes(entries):
    outcomes = {each["rule"]: each for each in entries[f"{FOLDER}/endings.py:segfaults_later"]["outcomes"]}
    assert outcomes["PPO002"]["outcome"] == "passed"
    assert "SIGSEGV" in outcomes["PPO001"]["reason"]
    assert "endings.py:39" in outcomes["PPO001"]["reason"]


def test_no_process_of_a_target_survives(entries):
    assert entries
    left = [
        process.pid for process in psutil.process_iter(["cmdline"]) if LEFT_BEHIND in (process.info["cmdline"] or ())
    ]
    assert left == []


def test_a_report_is_written_where_its_folder_was_deleted(tmp_path: Path):
    (tmp_path / "out").mkdir()
    spec = f"{ROOT / FOLDER}/deletes_report_folder.py:loss"
    done = check(spec, "--select", "PPO101", "--output", "out/report.json", cwd=tmp_path)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["exit_code"] == done.returncode == 0


def test_a_report_is_written_where_the_working_folder_was_deleted(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    spec = f"{ROOT / FOLDER}/deletes_working_folder.py:loss"
    done = check(spec, "--select", "PPO101", "--output", "report.json", cwd=home)
    assert json.loads((home / "report.json").read_text())["exit_code"] == done.returncode


def test_what_commands_a_terminal_is_not_printed():
    done = check(f"{FOLDER}/objects.py:terminal_error", *QUICK, "--show-output")
    assert "\x1b" not in done.stdout + done.stderr
    assert "\x9b" not in done.stdout + done.stderr


def test_output_of_a_target_is_shown_on_demand_and_never_in_the_report():
    spec = f"{FOLDER}/floods.py:output"
    assert "xxxx" in check(spec, "--select", "PPO101", "--show-output").stderr
    done = check(spec, "--select", "PPO101")
    assert "xxxx" not in done.stdout + done.stderr
    assert len(check(spec, "--select", "PPO101", "--show-output").stderr) < 100_000


def test_nothing_is_left_in_the_folder_of_temporary_files(tmp_path: Path):
    spec = f"{FOLDER}/endings.py:exits_later"
    subprocess.run(
        [sys.executable, "-m", "ppo_audit", "check", spec, *QUICK],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("ppo-audit-")] == []


def test_a_script_that_starts_slowly_is_stopped_in_its_first_update_and_what_it_wrote_is_kept(tmp_path: Path):
    written = tmp_path / "log.txt"
    done = check(f"{FOLDER}/script_that_starts_slowly.py", "--select", "PPO101", "--", str(written))
    assert (done.returncode, "1 rule passed" in done.stdout) == (0, True), done.stdout
    assert written.read_text() == "update 0\n"
