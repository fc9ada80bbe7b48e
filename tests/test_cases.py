"""How many cases an audit judges: 100,000 distinct ones, where rows are free; few where they are dear."""

import pytest
import torch

from ppo_audit import audit
from ppo_audit.settings import Settings
from ppo_audit.subjects.called import called_variants
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.resolve import as_function, resolve


def subject_of(spec: str) -> Subject:
    (_, subject), *_ = called_variants(spec, as_function(resolve(spec), spec, {}), Settings())
    return subject


def test_an_audit_judges_at_least_100_000_distinct_pairs_of_ratio_and_advantage(monkeypatch):
    measured, seen = Subject.policy, []

    def policy(self, log_ratio, advantage, **settings):
        seen.append(torch.stack([log_ratio, advantage], -1))
        return measured(self, log_ratio, advantage, **settings)

    monkeypatch.setattr(Subject, "policy", policy)
    report = audit("ppo_audit.demo.distributional_ppo:loss").targets[0]
    assert len(torch.cat(seen).unique(dim=0)) >= 100_000
    assert report.cases >= 100_000


@pytest.mark.parametrize(
    ("body", "fineness"),
    [
        ("ratio = (log_prob - old_log_prob).exp()", 16),
        ("ratio = torch.stack([(a - b).exp() for a, b in zip(log_prob, old_log_prob)])", 1),
        ("ratio = (log_prob[:, None] - old_log_prob[None, :]).exp().diagonal()", 1),
    ],
    ids=["rows at once", "a loop over rows", "a table of all pairs"],
)
def test_a_grid_is_fine_only_where_further_rows_cost_no_more_than_themselves(tmp_path, body, fineness):
    path = tmp_path / "rows.py"
    path.write_text(
        "import torch\n\n\ndef loss(log_prob, old_log_prob, advantage, clip_range=0.2):\n"
        f"    {body}\n"
        "    bounded = ratio.clamp(1 - clip_range, 1 + clip_range) * advantage\n"
        "    return -torch.min(ratio * advantage, bounded).mean()\n"
    )
    assert subject_of(f"{path}:loss").fineness == fineness
    outcomes = {outcome.rule: outcome.status for outcome in audit(f"{path}:loss").targets[0].outcomes}
    assert outcomes["PPO102"] == outcomes["PPO103"] == "passed"
