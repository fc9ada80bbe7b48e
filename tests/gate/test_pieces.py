"""What is wrapped to be judged is wrapped alike when a snapshot is compared with: it has not moved, its faults have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit.gate.compare import moves
from ppo_audit.gate.snapshot import take, take_as, with_profile
from ppo_audit.gate.store import dumps, loads
from ppo_audit.settings import Settings

SOURCE = """
from typing import Literal

import torch


def of_a_ratio(ratio, advantages, clip_range=0.2):
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()


def of_probabilities(probs, old_probs, advantages, clip_range=0.2):
    return of_a_ratio(probs / old_probs, advantages, clip_range)


def objective(log_prob, old_log_prob, advantages):
    return (torch.exp((log_prob - old_log_prob).clamp(-10, 10)) * advantages).mean()


def ratio(new_logp, old_logp):
    return torch.exp((new_logp - old_logp).clamp(-5, 5))


def penalty(log_prob, ref_log_prob, kind: Literal["k2", "k3"]):
    log_ratio = ref_log_prob - log_prob
    return (0.5 * log_ratio**2 if kind == "k2" else log_ratio.exp() - 1 - log_ratio).mean()
"""
EDITS = {
    "of_a_ratio": ("torch.min", "torch.max"),
    "of_probabilities": ("probs / old_probs", "old_probs / probs"),
    "objective": ("return (torch.exp", "return -(torch.exp"),
    "ratio": ("new_logp - old_logp", "old_logp - new_logp"),
    "penalty": ("0.5 * log_ratio", "log_ratio"),
}


def moved(before: Path, after: Path, name: str) -> bool:
    stored = loads(dumps(with_profile(take(f"{before}:{name}", Settings()))))
    now = take_as(f"{after}:{name}", Settings(), stored)
    return bool(moves(stored, now.snapshot, now.cases))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EDITS)
def test_it_has_moved_where_it_was_changed_and_only_there(name: str, tmp_path: Path):
    (before := tmp_path / "before.py").write_text(SOURCE)
    (after := tmp_path / "after.py").write_text(SOURCE.replace(*EDITS[name]))
    assert not moved(before, before, name)
    assert moved(before, after, name)
