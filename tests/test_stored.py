"""A run that is recorded to a file is judged as it is where it runs, without anything being unpickled."""

import json
import subprocess
import sys

import pytest
from safetensors import safe_open

from ppo_audit import audit
from ppo_audit.errors import UsageError
from ppo_audit.stored import load
from tests.targets.trainer_programs import FAULTS, FOLDER, write

RULES = "PPO1,PPO9"
HELD = ("grpo_tokens", "separate_networks")


def ppo_audit(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "ppo_audit", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False
    )


def recorded(script, folder):
    done = ppo_audit("record", "-o", "run.ppoaudit", "--", "python", script, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "run.ppoaudit"


def findings(target):
    (entry,) = audit(str(target)).targets
    assert entry.error is None
    return sorted((finding.rule, finding.location.line) for finding in entry.findings)


@pytest.mark.parametrize("name", HELD)
def test_a_stored_run_has_the_findings_of_the_script(name, tmp_path):
    script = FOLDER / f"{name}.py"
    assert findings(recorded(script, tmp_path)) == findings(script)


def test_a_module_of_a_package_is_recorded_as_python_would_run_it(tmp_path):
    package = tmp_path / "learner"
    package.mkdir()
    text = (FOLDER / "full_batch.py").read_text()
    (package / "train.py").write_text("from . import settings\nimport sys\nassert sys.argv[1:] == ['-x']\n" + text)
    (package / "settings.py").touch()
    done = ppo_audit("record", "-o", "run.ppoaudit", "--", "python", "-m", "learner.train", "-x", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_fault_of_the_loop_is_found_in_a_stored_run(tmp_path):
    fault = next(fault for fault in FAULTS if fault.name == "old_log_probs_refreshed")
    assert "PPO903" in {rule for rule, _ in findings(recorded(write(fault, tmp_path), tmp_path))}


def test_the_file_holds_tensors_and_text(tmp_path):
    with safe_open(recorded(FOLDER / "full_batch.py", tmp_path), framework="pt") as file:
        assert json.loads(file.metadata()["ppo-audit"])["format"] == "ppo-audit-recording/2"


def test_what_no_file_can_hold_is_refused_with_its_line(tmp_path):
    done = ppo_audit("record", "-o", "run.ppoaudit", "--", FOLDER / "custom_function.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "custom_function.py:38" in done.stderr


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("-o", "run.bin", "--", "train.py"), "must end in `.ppoaudit`"),
        (("-o", "run.ppoaudit", "--", "torchrun", "train.py"), "expected `-- python script.py"),
        (("-o", "run.ppoaudit", "--", "python", "missing.py"), "missing.py"),
        (("-o", "run.ppoaudit", "--", "python", "-m"), "-m module"),
        (("-o", "run.ppoaudit", "--", "python", "-m", "learner.missing"), "learner"),
    ],
)
def test_a_command_that_cannot_be_recorded_is_refused(words, hint, tmp_path):
    done = ppo_audit("record", *words, cwd=tmp_path)
    assert (done.returncode, hint in done.stderr) == (2, True), done.stderr


def test_another_file_is_no_recording(tmp_path):
    (tmp_path / "run.ppoaudit").write_bytes(b"something else")
    with pytest.raises(UsageError, match="is no recording of"):
        load(tmp_path / "run.ppoaudit")
