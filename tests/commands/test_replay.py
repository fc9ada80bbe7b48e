"""Replay: one finding of a stored report again, by its own rule, with a verdict that never claims what was not run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ppo_audit import cli

LOSS = """import torch


def loss(log_prob, lp_stored, advantages, clip_range=0.2):
    ratio = (log_prob - lp_stored).exp()
    return -torch.{pick}(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


@pytest.fixture
def finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("replayed.py").write_text(LOSS.format(pick="max"))
    options = ["--role", "old_log_prob=lp_stored", "--select", "PPO102", "--output", "r.json"]
    assert run("check", "replayed.py:loss", *options) == 1
    return json.loads(Path("r.json").read_text())["targets"][0]["findings"][0]["fingerprint"]


def test_a_loss_that_is_as_it_was_still_fails(finding: str, capsys):
    assert run("replay", finding, "--report", "r.json") == 1
    assert "STILL FAILS: PPO102 clip-stops-gains of replayed.py:loss" in capsys.readouterr().out


def test_a_cured_loss_is_fixed(finding: str, capsys):
    Path("replayed.py").write_text(LOSS.format(pick="min"))
    os.utime("replayed.py", (0, 0))  # of the same size within a second, Python would take the compiled file for it
    assert run("replay", finding[:8], "--report", "r.json") == 0
    assert "FIXED" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "def loss(:", "def loss(x):\n    return 'no'\n"])
def test_a_loss_that_cannot_be_measured_is_not_called_fixed(finding: str, text: str, capsys):
    Path("replayed.py").write_text(text)
    assert run("replay", finding, "--report", "r.json") == 2
    assert "CANNOT RUN" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"targets": 3}', '{"targets": [{}]}'])
def test_what_is_no_report_is_refused(finding: str, text: str, capsys):
    Path("r.json").write_text(text)
    assert run("replay", finding, "--report", "r.json") == 2
    assert "is no report of" in capsys.readouterr().err


def test_an_unknown_finding_is_refused(finding: str, capsys):
    assert run("replay", "zzzz", "--report", "r.json") == 2
    assert "no finding `zzzz`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "value"),
    [("rule", 3), ("rule", "PPO999"), ("fingerprint", None), ("name", []), ("command", "'"), ("command", "--seed=x")],
)
def test_a_damaged_report_is_refused(finding: str, key: str, value: object, capsys):
    report = json.loads(Path("r.json").read_text())
    target = report["targets"][0]
    (target if key == "command" else target["findings"][0])[key] = value
    Path("r.json").write_text(json.dumps(report))
    assert run("replay", finding, "--report", "r.json") == 2
    assert "bug in ppo-audit" not in capsys.readouterr().err
