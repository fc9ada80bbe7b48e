"""skrl: a ratio without bound, and a clipped value loss without the maximum."""

from types import SimpleNamespace

import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPEC, MODULE = "skrl.agents.torch.ppo:PPO", "skrl.agents.torch.ppo.ppo"
pytestmark = needs(SPEC)


def test_the_verdict_is_as_recorded(snapshot):
    assert verdict(audit(SPEC)) == snapshot


def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient():
    new = torch.tensor([100.0], requires_grad=True)
    ratio = called(MODULE, "ratio = torch.exp", next_log_prob=new, sampled_log_prob=0.0)["ratio"]
    torch.min(ratio, ratio.clip(0.8, 1.2)).sum().backward()
    assert new.grad.isnan().all()


def test_by_hand_ppo302_a_clipped_value_has_no_gradient_though_it_left_its_target():
    agent, value = SimpleNamespace(cfg=SimpleNamespace(value_clip=0.2)), torch.tensor([-1.5], requires_grad=True)
    names = {"self": agent, "predicted_values": value, "sampled_values": torch.zeros(1)}
    (-0.7 - called(MODULE, "predicted_values = ", **names)["predicted_values"]).square().sum().backward()
    assert value.grad == 0
