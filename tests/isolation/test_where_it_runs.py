"""A worker gives the report that the same audit gives in process, and in process nothing stays changed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import psutil
import pytest
import torch

import ppo_audit
from ppo_audit.findings import Outcome, Status, TargetReport
from ppo_audit.isolation import pool
from ppo_audit.isolation.attempt import Limits, _Watch
from ppo_audit.isolation.records import Job
from ppo_audit.settings import Settings
from tests.targets.hostile.cases import FOLDER

ROOT = Path(__file__).parents[2]
TIMES = {"seconds"}
PARENT = (
    "import sys; from ppo_audit.cli import main\ntry: main({words!r})\nexcept SystemExit: print('torch' in sys.modules)"
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def check(*words: str) -> str:
    return run("-m", "ppo_audit", "check", *words).stdout


def test_reports_are_the_same_but_for_times():
    words = (f"{FOLDER}/good.py:sound", f"{FOLDER}/good.py:faulty", "--select", "PPO0,PPO1", "--format", "json")
    without_times = lambda text: [line for line in text.splitlines() if not any(f'"{name}"' in line for name in TIMES)]
    assert without_times(check(*words, "--jobs", "2")) == without_times(check(*words, "--in-process"))


def test_an_error_of_ours_beside_a_worker_costs_that_target_alone(monkeypatch):
    def breaks(spec, *others):
        if spec == "bad:loss":
            raise ZeroDivisionError("division by zero")
        return TargetReport(spec, "loss", outcomes=(Outcome("PPO001", "runs", Status.PASSED),))

    monkeypatch.setattr(pool, "audit_in_workers", breaks)
    report = pool.audit_isolated(["good:loss", "bad:loss"], Settings(), jobs=2)
    assert report.exit_code == 4
    assert [entry.exit_code for entry in report.targets] == [0, 4]
    assert "bug in ppo-audit" in report.targets[1].error
    assert report.targets[0].outcomes[0].status is Status.PASSED


def test_the_parent_never_imports_torch():
    words = ["check", f"{FOLDER}/good.py:sound", "--select", "PPO003"]
    assert run("-c", PARENT.format(words=words)).stdout.splitlines()[-1] == "False"


def test_workers_are_forked_from_a_process_without_threads_of_torch():
    code = "import ppo_audit.isolation.warm, os; print(len(os.listdir('/proc/self/task')))"
    if not Path("/proc/self/task").exists():
        pytest.skip("threads are counted in /proc")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize(("given", "seen"), [({}, 1), ({"OMP_NUM_THREADS": "2"}, 2)])
@pytest.mark.parametrize("where", [(), ("--in-process",)])
def test_one_core_is_used_unless_the_user_says_otherwise(where, given: dict[str, str], seen: int, tmp_path: Path):
    path = tmp_path / "counts.py"
    path.write_text("import torch\n\n\ndef loss(log_prob):\n    raise ValueError(torch.get_num_threads())\n")
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | given
    words = [sys.executable, "-m", "ppo_audit", "check", f"{path}:loss", *where]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert f"ValueError: {seen}" in done.stdout + done.stderr


def test_an_interruption_writes_what_there_is_and_ends_the_workers(tmp_path: Path):
    output = tmp_path / "report.json"
    words = ["check", f"{FOLDER}/hangs.py:in_c", f"{FOLDER}/good.py:sound", "--jobs", "1", "--output", str(output)]
    words += ["--time-limit", "300"]  # else it might be given up before it is interrupted
    process = subprocess.Popen(
        [sys.executable, "-m", "ppo_audit", *words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    )
    family = psutil.Process(process.pid)
    while not [worker for server in family.children() for worker in server.children()]:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    report = json.loads(output.read_text())
    assert (process.returncode, report["exit_code"]) == (3, 3), said
    assert ["interrupted" in entry["error"] for entry in report["targets"]] == [True, True]


@pytest.mark.parametrize("name", ["default_dtype", "seed", "patched_torch", "path", "environment", "folder"])
def test_in_process_everything_is_put_back(name: str, monkeypatch):
    monkeypatch.chdir(ROOT)
    state = lambda: (
        torch.get_default_dtype(),
        torch.initial_seed(),
        torch.exp,
        torch.ones,
        random.getstate(),
        list(sys.path),
        dict(os.environ),
        os.getcwd(),
    )
    before = state()
    ppo_audit.audit(f"{FOLDER}/state.py:{name}", Settings(select=("PPO003",)))
    assert state() == before


@pytest.mark.parametrize(
    ("passed", "queued", "is_late"), [(0.9, 0.0, False), (1.1, 0.0, True), (3.0, 2.5, False), (9.0, 8.9, True)]
)
def test_time_in_the_queue_for_a_processor_is_not_the_targets(tmp_path, passed: float, queued: float, is_late: bool):
    job = Job("a:loss", Settings(), tmp_path / "journal", tmp_path / "output")
    tree = types.SimpleNamespace(queued=lambda: queued)
    watch = _Watch(job, Limits(1.0, 1.0, 10.0, 1.0), tree, threading.Event())
    assert watch._is_late(watch.entered + passed, allowed=1.0) is is_late
