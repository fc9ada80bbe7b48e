"""A cure that brings a hazard with it is no verified fix: it is a choice, and says what it costs."""

from __future__ import annotations

from pathlib import Path

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings
from tests.corpus import catalogue


def test_a_bound_taken_away_costs_the_overflow_that_it_prevented(tmp_path: Path):
    fault = next(fault for fault in catalogue.FAULTS if fault.name == "clip_before_exp")
    attribute = next(correct.attribute for correct in catalogue.CORRECT if correct.name == fault.base)
    (entry,) = audit_targets([f"{catalogue.write(fault, tmp_path)}:{attribute}"], Settings()).targets
    fix = next(finding.fix for finding in entry.findings if finding.rule == "PPO109")
    assert fix is not None
    assert not fix.verified
    (choice,) = fix.choices
    assert choice.text.startswith("`logp - logp_old` in place of `torch.clamp(")
    assert "PPO101" in choice.price
