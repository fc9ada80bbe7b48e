"""A loss that makes log-probs of (N, D) parameters itself, and is given the old ones as a column."""

import pytest

from ppo_audit.api import audit_spec
from ppo_audit.settings import Settings

LOSS = """
import torch
from torch.distributions import Normal

def loss(mean, std, action, old_log_prob, advantages):
    policy = Normal(mean, std)
    entropy = policy.entropy().sum(1, keepdim=True)
    log_prob = policy.log_prob(action).sum(1, keepdim=True)
    ratio = torch.exp((log_prob - old_log_prob).clamp(-10, 10))
    credit = advantages.view(-1, 1)
    return -(torch.min(ratio * credit, ratio.clamp(0.8, 1.2) * credit) + 0.01 * entropy).mean()
"""
RULES = ("PPO111", "PPO402")


@pytest.mark.parametrize(
    ("old", "new", "flagged"),
    [
        ("sum", "sum", []),
        ("log_prob(action).sum", "log_prob(action).mean", ["PPO111"]),
        ("entropy().sum", "entropy().mean", ["PPO402"]),
    ],
)
def test_dimensions_are_told_from_columns(tmp_path, old, new, flagged):
    path = tmp_path / "loss.py"
    path.write_text(LOSS.replace(old, new))
    target = audit_spec(f"{path}:loss", Settings(select=RULES, trials=0))
    assert target.error is None
    assert [finding.rule for finding in target.findings] == flagged
