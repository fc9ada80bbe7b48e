"""skrl's `compute_gae` as installed: by default a time limit does not end the trace, and nothing else is wrong."""

from __future__ import annotations

import pytest

from ppo_audit import Severity
from ppo_audit.api import audit

pytest.importorskip("skrl", reason="skrl is not installed")
TARGET = "skrl.agents.torch.ppo.ppo:compute_gae"


@pytest.fixture(scope="module")
def entry():
    return audit(TARGET).targets[0]


def test_it_is_judged_as_a_helper_of_rollouts(entry):
    assert (entry.error, entry.kind) == (None, "returns")
    assert entry.profile["normalised"] == 1


def test_the_next_episode_leaks_in_at_time_limits(entry):
    leak = next(finding for finding in entry.findings if finding.rule == "PPO605")
    assert leak.severity is Severity.SERIOUS
    assert "next episode" in leak.message


def test_nothing_else_is_found(entry):
    assert [finding.rule for finding in entry.findings if finding.severity <= Severity.SERIOUS] == ["PPO605"]
