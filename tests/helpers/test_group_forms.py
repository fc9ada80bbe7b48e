"""Advantages of groups that are no mean taken off: what is published is not flagged, what is wrong still is."""

import pytest

from ppo_audit import audit
from ppo_audit.findings import Severity
from ppo_audit.settings import Settings, rule_codes

HEAD = "import torch\n\n\ndef group_advantages(rewards, group_size=4):\n    grouped = rewards.view(-1, group_size)\n"
BEST_OF_ALL = (
    "    top = grouped.topk(2, 1)\n"
    "    gain = top.values[:, 0] - top.values[:, 1]\n"
    "    return torch.zeros_like(grouped).scatter(1, top.indices[:, :1], gain.unsqueeze(1)).flatten()\n"
)
IN_UNITS_OF_THE_MEAN = (
    "    mean = grouped.mean(1, keepdim=True)\n    return ((grouped - mean) / (mean + 1e-6)).flatten()\n"
)
FROM_THE_MEAN = "    return (grouped.mean(1, keepdim=True) - grouped).flatten()\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [(BEST_OF_ALL, set()), (IN_UNITS_OF_THE_MEAN, set()), (FROM_THE_MEAN, {"PPO801"})],
    ids=["pass at k", "in units of the mean", "reward taken from the mean"],
)
def test_forms_of_group_advantages(body, expected, tmp_path):
    path = tmp_path / "groups.py"
    path.write_text(HEAD + body)
    (target,) = audit(f"{path}:group_advantages", Settings(select=rule_codes(("PPO801",)))).targets
    assert target.error is None
    assert {finding.rule for finding in target.findings if finding.severity <= Severity.SERIOUS} == expected
