"""polgrad as installed: each of its ten losses is judged, named, and accused of nothing but the unguarded ratio."""

from pathlib import Path

import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity

pytest.importorskip("polgrad")
FILE = Path(__file__).parent / "polgrad_losses.py"
VARIANTS = {
    "ppo": "PPO-clip, mean over tokens",
    "grpo": "PPO-clip, mean over tokens, then over sequences, plus KL term times 0.04",
    "dr_grpo": "PPO-clip, divided by a constant length",
    "dapo": "PPO-clip, clip-higher, mean over tokens",
    "gspo": "GSPO, mean over tokens, then over sequences",
    "gspo_token": "GSPO, mean over tokens, then over sequences",
    "cispo": "CISPO (weights capped at 1.2), mean over tokens",
    "rloo": "policy gradient (REINFORCE, A2C), sum over tokens, mean over sequences",
    "reinforce_pp": "PPO-clip, mean over tokens, then over sequences",
    "grpo_tis": "PPO-clip, mean over tokens, then over sequences, plus KL term times 0.04",
}


@pytest.mark.parametrize(("name", "variant"), VARIANTS.items())
def test_a_published_loss_is_named_and_found_right(name, variant):
    (target,) = audit(f"{FILE}:{name}").targets
    grave = {finding.rule for finding in target.findings if finding.severity <= Severity.SERIOUS}
    assert target.error is None
    assert target.profile["variant"] == variant
    assert grave <= {"PPO101"}
