"""sb3-contrib: the loss of Stable-Baselines3 with its hazards, and without its guard for one sample."""

from types import SimpleNamespace

import pytest
import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPECS = {
    "sb3_contrib.ppo_mask.ppo_mask": "sb3_contrib:MaskablePPO",
    "sb3_contrib.ppo_recurrent.ppo_recurrent": "sb3_contrib:RecurrentPPO",
}
MODULES = pytest.mark.parametrize("module", SPECS)
pytestmark = needs("sb3_contrib:MaskablePPO")


@pytest.mark.parametrize("spec", SPECS.values())
def test_the_verdict_is_as_recorded(spec, snapshot):
    assert verdict(audit(spec)) == snapshot


@MODULES
def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient(module):
    log_prob, rollout = torch.tensor([100.0], requires_grad=True), SimpleNamespace(old_log_prob=0.0)
    ratio = called(module, "ratio = ", log_prob=log_prob, rollout_data=rollout)["ratio"]
    torch.min(ratio, ratio.clamp(0.8, 1.2)).sum().backward()
    assert log_prob.grad.isnan().all()


@MODULES
def test_by_hand_ppo202_one_advantage_normalised_is_nan(module):
    one = {"advantages": torch.tensor([3.0]), "mask": torch.tensor([True])}
    assert called(module, "advantages = (", **one)["advantages"].isnan().all()


def test_by_hand_ppo503_advantages_none_of_which_counts_are_nan():
    none = {"advantages": torch.tensor([3.0, 4.0]), "mask": torch.tensor([False, False])}
    assert called("sb3_contrib.ppo_recurrent.ppo_recurrent", "advantages = (", **none)["advantages"].isnan().all()


@MODULES
def test_by_hand_ppo302_a_clipped_value_has_no_gradient_though_it_left_its_target(module):
    names = {"rollout_data": SimpleNamespace(old_values=torch.zeros(1)), "clip_range_vf": 0.2}
    values = torch.tensor([-1.5], requires_grad=True)
    (
        -0.7 - called(module, "values_pred = rollout_data", values=values, **names)["values_pred"]
    ).square().sum().backward()
    assert values.grad == 0
