"""Rules about calling, masking, order and shape, where the corpus has no loss for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit.findings import Severity, Status
from tests.checks.audits import audit, audit_source, finding_of, outcome_of
from tests.corpus import catalogue

pytestmark = pytest.mark.filterwarnings("ignore")


def loss(body: str, parameters: str = "log_prob, old_log_prob, advantages", clip: str = "0.2") -> str:
    return f"import torch\n\n\ndef loss({parameters}, clip_range={clip}):\n    {body}\n"


SURROGATE = "-torch.min(r * advantages, r.clamp(1 - clip_range, 1 + clip_range) * advantages)"


class TestRuns:
    def test_a_batch_that_is_too_large_is_refused_at_the_line_that_raises(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp()\n    assert len(r) <= 8\n    return {SURROGATE}.mean()"
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO001"), "PPO001")
        assert "a large batch" in finding.message
        assert finding.location.line == 6
        assert finding.severity is Severity.CRITICAL

    def test_of_the_batches_drawn_the_smallest_that_is_refused_is_told(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp()\n    assert len(r) % 5 != 4\n    return {SURROGATE}.mean()"
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO001"), "PPO001")
        assert finding.counterexample == {"samples": 4, "regime": "ordinary", "seed": 0}
        assert finding.location.line == 6

    def test_refusing_what_is_far_away_is_potential_only(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp()\n    assert (r < 1e20).all()\n    return {SURROGATE}.mean()"
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO001"), "PPO001")
        assert finding.severity is Severity.POTENTIAL
        assert finding.counterexample["batch"] == "log-ratios of 100"

    def test_other_rules_skip_what_the_target_refuses(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp()\n    assert (r < 1e3).all()\n    return {SURROGATE}.mean()"
        outcome = outcome_of(audit_source(loss(body), tmp_path, "PPO101"), "PPO101")
        assert outcome.status is Status.SKIPPED
        assert "the target raised AssertionError" in outcome.reason


class TestDeterministic:
    @pytest.mark.parametrize(
        "noise", ["random.random()", "numpy.random.rand()", "torch.rand(()).item()", "next(COUNT)"]
    )
    def test_every_source_of_noise_is_seen(self, noise: str, tmp_path: Path):
        source = "import itertools\nimport random\n\nimport numpy\n" + loss(
            f"r = (log_prob - old_log_prob).exp() * (1 + 0.01 * {noise})\n    return {SURROGATE}.mean()"
        )
        report = audit_source(source + "\n\nCOUNT = itertools.count()\n", tmp_path, "PPO002")
        assert finding_of(report, "PPO002").location.line == 9

    def test_it_explains_what_the_comparing_rules_find(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp() + 0.1 * torch.rand(())\n    return {SURROGATE}.mean()"
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO002", "PPO504"), "PPO002")
        assert finding.also == ("PPO504",)


class TestLeavesInputsAlone:
    def test_a_view_is_followed(self, tmp_path: Path):
        body = (
            "flat = advantages.view(-1)\n    "
            "flat -= flat.mean()\n    "
            "r = (log_prob - old_log_prob).exp()\n    "
            f"return {SURROGATE}.mean()"
        )
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO003"), "PPO003")
        assert finding.location.line == 6


class TestFinite:
    def test_a_gradient_alone_is_enough(self, tmp_path: Path):
        body = (
            "r = (log_prob - old_log_prob).exp()\n    "
            "bonus = (old_log_prob * 0 * log_prob).sqrt().mean()\n    "
            "return (-r * advantages).mean() + bonus"
        )
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO005"), "PPO005")
        assert finding.evidence["not_finite"] == ["d loss / d log_prob"]
        assert finding.location.line == 6

    def test_modes_that_the_target_leaves_behind_do_not_outlive_it(self, tmp_path: Path):
        body = (
            "r = (log_prob - old_log_prob).exp()\n    "
            f"total = {SURROGATE}.mean()\n    "
            "torch.set_grad_enabled(False)\n    "
            "return total"
        )
        assert audit_source(loss(body), tmp_path, "PPO104").error is None


class TestStopGradients:
    def test_being_differentiable_in_what_is_given_is_no_fault(self, tmp_path: Path):
        body = f"r = (log_prob - old_log_prob).exp()\n    return {SURROGATE}.mean() + ((values - returns) ** 2).mean()"
        report = audit_source(loss(body, "log_prob, old_log_prob, advantages, values, returns"), tmp_path, "PPO008")
        assert outcome_of(report, "PPO008").status is Status.PASSED

    def test_a_live_importance_weight_is_found_where_it_is_made(self, tmp_path: Path):
        body = "w = (log_prob - old_log_prob).exp().clamp(max=2.0)\n    return -(w * advantages * log_prob).mean()"
        finding = finding_of(audit_source(loss(body), tmp_path, "PPO008"), "PPO008")
        assert finding.location.line == 5


class TestMask:
    def test_garbage_in_a_per_sequence_advantage_is_no_garbage(self):
        """The corpus holds such losses; here only that they are judged at all."""
        path = catalogue.FOLDER / "grpo_sequence_mean.py"
        assert outcome_of(audit(path, "loss", "PPO501"), "PPO501").status is Status.PASSED

    def test_a_constant_for_an_empty_batch_is_finite(self, tmp_path: Path):
        body = (
            "r = (log_prob - old_log_prob).exp()\n    if not mask.any():\n        return torch.zeros(())\n"
            f"    return ({SURROGATE} * mask).sum() / mask.sum()"
        )
        report = audit_source(loss(body, "log_prob, old_log_prob, advantages, mask"), tmp_path, "PPO503")
        assert outcome_of(report, "PPO503").status is Status.PASSED


class TestSamplesStayApart:
    def test_a_normaliser_is_no_cross_talk(self, tmp_path: Path):
        body = (
            "advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)\n    "
            "r = (log_prob - old_log_prob).exp()\n    "
            f"return {SURROGATE}.mean()"
        )
        report = audit_source(loss(body), tmp_path, "PPO507")
        assert outcome_of(report, "PPO507").status is Status.PASSED

    def test_advantages_by_groups_through_a_matrix_are_no_cross_talk(self, tmp_path: Path):
        body = (
            "same = (groups[:, None] == groups[None, :]).to(advantages.dtype)\n"
            "    advantages = advantages - (same @ advantages) / same.sum(1)\n"
            f"    r = (log_prob - old_log_prob).exp()\n    return {SURROGATE}.mean()"
        )
        report = audit_source(loss(body, "log_prob, old_log_prob, advantages, groups"), tmp_path, "PPO507", "PPO508")
        assert report.findings == ()


class TestShapes:
    def test_merely_accepting_columns_beside_the_parameters_of_a_policy_is_no_finding(self, tmp_path: Path):
        body = (
            "log_prob = torch.distributions.Normal(mean, log_std.exp()).log_prob(action).sum(-1, keepdim=True)\n"
            f"    r = (log_prob - old_log_prob).exp()\n    return {SURROGATE}.mean()"
        )
        report = audit_source(loss(body, "mean, log_std, action, old_log_prob, advantages"), tmp_path, "PPO508")
        assert [finding for finding in report.findings if finding.rule == "PPO508"] == []

    def test_a_pairing_of_one_rank_is_meant(self, tmp_path: Path):
        body = (
            "u = returns.view(-1, 1, 1) - quantiles.unsqueeze(-1) + 0 * quantiles.unsqueeze(1)\n"
            f"    r = (log_prob - old_log_prob).exp()\n    return {SURROGATE}.mean() + u.abs().mean()"
        )
        report = audit_source(loss(body, "log_prob, old_log_prob, advantages, quantiles, returns"), tmp_path, "PPO508")
        assert outcome_of(report, "PPO508").status is Status.PASSED

    def test_a_loss_function_of_torch_is_seen_through(self, tmp_path: Path):
        body = (
            "r = (log_prob - old_log_prob).exp()\n"
            "    critic = torch.nn.functional.mse_loss(values.reshape(-1, 1), returns)\n"
            f"    return {SURROGATE}.mean() + critic"
        )
        report = audit_source(loss(body, "log_prob, old_log_prob, advantages, values, returns"), tmp_path, "PPO508")
        assert finding_of(report, "PPO508").location.line == 6
