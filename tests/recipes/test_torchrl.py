"""torchrl in the loop of its tutorial: a ratio without bound before the clip in log space."""

import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPEC, MODULE = "torchrl.objectives:ClipPPOLoss", "torchrl.objectives.ppo"
pytestmark = needs(SPEC)


def test_the_verdict_is_as_recorded(snapshot):
    assert verdict(audit(SPEC)) == snapshot


def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient():
    log_ratio = torch.tensor([100.0], requires_grad=True)
    gain = called(MODULE, "gain1 = ", log_behav_weight=log_ratio, advantage=torch.ones(1))["gain1"]
    torch.stack([gain, log_ratio.clamp(-0.2, 0.2).exp()], -1).min(dim=-1).values.sum().backward()
    assert log_ratio.grad.isnan().all()
