"""A finding as a test of its own: it fails on the faulty target, passes on the cured one, and needs no ppo-audit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppo_audit import cli

LOSS = """import torch


def loss(log_prob, lp_stored, advantages, clip_range=0.2):
    ratio = (log_prob - lp_stored).exp()
    return -torch.{}(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
"""
GAE = """import torch


def gae(rewards, values, dones, last_value, gamma=0.99, gae_lambda=0.95):
    advantages, carried = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        following = last_value if t == len(rewards) - 1 else values[t + 1]
        live = 1.0 - dones[t]
        delta = rewards[t] + gamma * following * {} - values[t]
        carried = delta + gamma * gae_lambda * live * carried
        advantages[t] = carried
    return advantages, advantages + values
"""
CASES = (
    pytest.param(LOSS, "max", "min", "loss", "PPO102", ["--role", "old_log_prob=lp_stored"], id="loss"),
    pytest.param(GAE, "1.0", "live", "gae", "PPO604", [], id="helper"),
)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


def run_exported(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the test where `import ppo_audit` fails for everybody but the sources that it carries."""
    (Path.cwd() / "nothing").mkdir(exist_ok=True)
    Path("nothing", "ppo_audit.py").write_text("raise ImportError('ppo-audit is not installed here')")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:ppo-audit", "-p", "no:cacheprovider", str(path)]
    environment = os.environ | {"PYTHONPATH": str(Path("nothing").resolve()), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("source", "wrong", "right", "name", "rule", "options"), CASES)
def test_an_exported_finding_fails_until_it_is_cured(tmp_path, monkeypatch, source, wrong, right, name, rule, options):
    monkeypatch.chdir(tmp_path)
    Path("cured.py").write_text(source.format(wrong))
    run("check", f"cured.py:{name}", "--select", rule, *options, "--output", "r.json", "--in-process")
    finding = json.loads(Path("r.json").read_text())["targets"][0]["findings"][0]["fingerprint"]
    Path("tests").mkdir()
    assert run("replay", finding, "--report", "r.json", "--export", "tests/test_it.py", "--in-process") == 1

    before = run_exported(Path("tests/test_it.py"))
    assert before.returncode == 1
    assert f"{rule} " in before.stdout
    assert "flagged" in before.stdout

    Path("cured.py").write_text(source.format(right))
    after = run_exported(Path("tests/test_it.py"))
    assert after.returncode == 0, after.stdout
    assert "1 passed" in after.stdout
