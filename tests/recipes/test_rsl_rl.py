"""rsl_rl: a ratio without bound, and advantages of a minibatch normalised without a guard for one sample."""

from types import SimpleNamespace

import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPEC, MODULE = "rsl_rl.algorithms:PPO", "rsl_rl.algorithms.ppo"
pytestmark = needs(SPEC)


def test_the_verdict_is_as_recorded(snapshot):
    assert verdict(audit(SPEC)) == snapshot


def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient():
    new, batch = torch.tensor([100.0], requires_grad=True), SimpleNamespace(old_actions_log_prob=torch.zeros(1, 1))
    ratio = called(MODULE, "ratio = ", actions_log_prob=new, batch=batch)["ratio"]
    torch.max(-ratio, -ratio.clamp(0.8, 1.2)).sum().backward()
    assert new.grad.isnan().all()


def test_by_hand_ppo202_one_advantage_normalised_is_nan():
    batch = SimpleNamespace(advantages=torch.tensor([[3.0]]))
    called(MODULE, "batch.advantages = ", batch=batch)
    assert batch.advantages.isnan().all()
