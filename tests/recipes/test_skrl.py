"""skrl: a ratio without bound, a clipped value loss without the maximum, credit that runs across time limits."""

import importlib
from types import SimpleNamespace

import pytest
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


def test_by_hand_ppo908_the_return_of_a_truncated_step_holds_the_value_of_the_next_episode():
    gae = importlib.import_module(MODULE).compute_gae
    steps = {"rewards": torch.ones(2, 1), "terminated": torch.zeros(2, 1).bool(), "last_values": torch.zeros(1)}
    ends = {"truncated": torch.tensor([[True], [False]]), "values": torch.tensor([[5.0], [100.0]])}
    returns, _ = gae(**steps, **ends, lambda_coefficient=0.0)
    assert returns[0] == pytest.approx(1 + 0.99 * 100.0)
