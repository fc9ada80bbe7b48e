"""TRL: ratios without bound, of a token in GRPO and of a whole completion in RLOO."""

import pytest
import torch

from ppo_audit import audit
from tests.recipes.verdicts import called, needs, verdict

SPECS = ("trl:GRPOTrainer", "trl:RLOOTrainer")
GRPO, RLOO = "trl.trainer.grpo_trainer", "trl.trainer.rloo_trainer"
pytestmark = needs("trl:GRPOTrainer")


@pytest.mark.parametrize("spec", SPECS)
def test_the_verdict_is_as_recorded(spec, snapshot):
    assert verdict(audit(spec)) == snapshot


@pytest.mark.parametrize(("module", "name"), [(GRPO, "log_importance_weights"), (RLOO, "log_ratio")])
def test_by_hand_ppo101_a_ratio_beyond_the_clip_has_no_finite_gradient(module, name):
    log_ratio = torch.tensor([100.0], requires_grad=True)
    ratio = called(module, f"coef_1 = torch.exp({name})", **{name: log_ratio})["coef_1"]
    torch.min(ratio, ratio.clamp(0.8, 1.2)).sum().backward()
    assert log_ratio.grad.isnan().all()


def test_by_hand_ppo415_a_small_kl_is_lost_in_float32():
    new, ref = torch.zeros(1, dtype=torch.float64), torch.full((1,), 2.0**-13, dtype=torch.float64)
    single, double = (
        called(GRPO, "per_token_kl = (", ref_per_token_logps=ref.to(dtype), per_token_logps=new.to(dtype))
        for dtype in (torch.float32, torch.float64)
    )
    assert single["per_token_kl"] == 0 < double["per_token_kl"]
