"""tianshou: a ratio without bound, and advantages normalised without a guard for one sample."""

from types import SimpleNamespace

import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPEC, MODULE = "tianshou.algorithm:PPO", "tianshou.algorithm.modelfree.ppo"
pytestmark = needs(SPEC)


def test_the_verdict_is_as_recorded(snapshot):
    assert verdict(audit(SPEC)) == snapshot


def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient():
    new, minibatch = torch.tensor([100.0], requires_grad=True), SimpleNamespace(act=None, logp_old=0.0)
    dist = SimpleNamespace(log_prob=lambda actions: new)
    ratio = called(MODULE, "ratios = (", dist=dist, minibatch=minibatch)["ratios"]
    torch.min(ratio, ratio.clamp(0.8, 1.2)).sum().backward()
    assert new.grad.isnan().all()


def test_by_hand_ppo202_the_deviation_of_one_advantage_is_nan():
    assert called(MODULE, "mean, std = ", advantages=torch.tensor([3.0]))["std"].isnan()
