"""torchrl's `ClipPPOLoss` and `KLPENPPOLoss` as installed, lifted from one call with a TensorDict, and judged."""

from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity
from ppo_audit.settings import Settings

pytest.importorskip("torchrl")
FILE = Path(__file__).parent / "torchrl_losses.py"


def test_the_clipped_loss_has_the_unguarded_ratio_and_no_other_fault():
    (target,) = audit(f"{FILE}:clip_ppo", Settings(inputs=f"{FILE}:make_inputs")).targets
    grave = {finding.rule for finding in target.findings if finding.severity <= Severity.SERIOUS}
    assert target.error is None
    assert target.profile["variant"] == "PPO-clip"
    assert grave == {"PPO101"}


@pytest.fixture(scope="module")
def penalised():
    (target,) = audit(f"{FILE}:kl_penalty", Settings(inputs=f"{FILE}:make_inputs")).targets
    return target


def test_the_penalised_loss_adapts_its_coefficient_inside_the_call_and_has_no_other_fault(penalised):
    grave = {finding.rule: finding for finding in penalised.findings if finding.severity <= Severity.SERIOUS}
    assert grave.keys() == {"PPO101", "PPO002"}
    assert grave["PPO002"].counterexample == {"buffer": "beta", "before": 1.0, "after": 0.5}
    assert grave["PPO002"].location.code.strip().startswith("self.beta.data *=")


def test_the_penalty_is_told_from_the_critic_with_the_coefficient_of_the_call(penalised):
    assert penalised.profile["variant"] == "importance-weighted policy gradient, plus KL term times 1"
    assert penalised.roles.keys() >= {"kl", "entropy", "value", "return_"}
