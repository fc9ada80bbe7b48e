"""A finding comes with at most ten lines that show it, which run with torch and the user's file alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ppo_audit.api import audit
from tests.repair.losses import CLIPPED, SLIPS, faulty


@pytest.mark.parametrize("name", ["max_for_min", "critic_detached"])
def test_it_runs_alone(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("losses.py").write_text(faulty(CLIPPED, SLIPS[name]))
    finding = audit("losses.py:loss").targets[0].findings[0]
    assert 3 < len(finding.reproduction.splitlines()) <= 10
    assert f"# {finding.rule}" in finding.reproduction
    done = subprocess.run([sys.executable, "-c", finding.reproduction], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tensor(" in done.stdout


def test_the_cures_of_an_overflow_come_with_their_price(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    clamped = "torch.clamp(log_prob - old_log_prob, -10.0, 10.0)"
    assert clamped in CLIPPED
    Path("losses.py").write_text(CLIPPED.replace(clamped, "log_prob - old_log_prob"))
    fix = next(each.fix for each in audit("losses.py:loss").targets[0].findings if each.rule == "PPO101")
    assert not fix.verified
    assert len(fix.choices) == 2
    assert all("PPO109 (potential)" in choice.price for choice in fix.choices)
    assert "-10.0, 10.0" in fix.choices[0].diff
