"""torchrl's `ClipPPOLoss` as installed, called with a TensorDict: lifted from one call, and judged."""

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
