"""Rules as tests: one a rule, with reasons, and a plugin that does nothing until it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

LOSSES = """
import torch

def right(log_prob, old_log_prob, advantages, clip_range=0.2):
    ratio = (log_prob - old_log_prob).clamp(-10, 10).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()

def wrong(log_prob, old_log_prob, advantages, clip_range=0.2):
    ratio = (log_prob - old_log_prob).clamp(-10, 10).exp()
    return -torch.max(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
"""
TESTS = """
import ppo_audit
from losses import right, wrong
from ppo_audit.settings import Settings

@ppo_audit.parametrize_with_checks([{losses}], Settings(select=("PPO102", "PPO108")))
def test_loss(loss, check):
    check(loss)
"""
QUIET = "-p no:benchmark -p no:xdist -p no:cacheprovider"


@pytest.fixture
def suite(pytester: pytest.Pytester):
    def run(losses: str) -> pytest.RunResult:
        pytester.makepyfile(losses=LOSSES, test_losses=TESTS.format(losses=losses))
        arguments = ["-rs", "--strict-markers", *QUIET.split()]
        return pytester.runpytest_subprocess(*arguments)

    return run


def test_a_right_loss_passes_and_a_rule_that_does_not_apply_is_skipped_with_its_reason(suite):
    done = suite("right")
    done.assert_outcomes(passed=1, skipped=1)
    done.stdout.fnmatch_lines(["*the loss has no dual clip*"])


def test_a_wrong_loss_fails_with_the_finding_as_the_terminal_shows_it(suite):
    done = suite("right, wrong")
    done.assert_outcomes(passed=1, skipped=2, failed=1)
    done.stdout.fnmatch_lines(["*wrong-PPO102-*", "*PPO102*losses.py:9*", "*return -torch.max(*", "*ppo-audit check*"])


@pytest.mark.parametrize("losses", ["'nowhere:loss'", "'losses.py:nothing'"])
def test_what_cannot_be_judged_fails(suite, losses: str):
    suite(losses).assert_outcomes(failed=2)


def test_it_is_declared_as_a_plugin():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"ppo-audit": "ppo_audit.pytest_plugin"}


def test_to_have_it_imports_nothing_heavy_and_adds_a_marker_only():
    program = (
        "import sys, pytest\n"
        "code = pytest.main(['-p', 'ppo_audit.pytest_plugin', '--markers', '-q'])\n"
        "print('HEAVY', sorted({'torch', 'numpy', 'scipy', 'rich', 'typer', 'ppo_audit.api'} & set(sys.modules)))\n"
        "from ppo_audit import pytest_plugin\n"
        "print('HOOKS', [name for name in vars(pytest_plugin) if name.startswith('pytest_')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=Path("/"),
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # other plugins may import what they like
    )
    assert "ppo_audit: one rule of ppo-audit against one loss" in done.stdout
    assert "HEAVY []" in done.stdout
    assert "HOOKS ['pytest_configure']" in done.stdout
