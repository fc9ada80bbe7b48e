"""The reference before its own rules, as `make self-audit` runs them: nothing found but what is waived."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CONFIGURATION = ROOT / "reference" / "self-audit.toml"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("self-audit") / "report.json"
    options = ["--strict-waivers", "--format", "json", "--output", str(path)]
    command = [sys.executable, "-m", "ppo_audit", "check", "--config", str(CONFIGURATION), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert path.exists(), done.stderr
    return json.loads(path.read_text(encoding="utf-8"))


def findings(report, part):
    return [
        (target["target"].partition(":")[2], finding["rule"], bool(finding["waiver"]))
        for target in report["targets"]
        for finding in target["findings"]
        if part in target["target"]
    ]


def test_every_target_is_judged(report):
    assert [target["error"] for target in report["targets"] if target["error"]] == []
    assert report["exit_code"] == 0
    assert report["summary"]["errored"] == 0


def test_the_trainers_have_no_finding(report):
    assert findings(report, ".trainers.") == []


def test_the_pure_functions_carry_one_waiver(report):
    assert findings(report, "ppo_audit.reference.") == [("ratio", "PPO101", True)]


def test_every_trainer_with_a_ratio_is_among_the_targets():
    from ppo_audit.reference.train import ALGORITHMS

    targets = tomllib.loads(CONFIGURATION.read_text(encoding="utf-8"))["targets"]
    audited = {target.partition("trainers.")[2].replace(":", ".") for target in targets}
    assert set(ALGORITHMS.values()) - audited == {"behaviour_cloning.BC"}
