"""The worked example of the design: its verdicts, each at its line, and what is right about it."""

import inspect
import json
from pathlib import Path

import jsonschema
import pytest

from ppo_audit import audit
from ppo_audit.demo import distributional_ppo
from ppo_audit.findings import Status
from ppo_audit.reports import render

SOURCE = inspect.getsource(distributional_ppo).splitlines()
VERDICTS = {
    "PPO101": ("critical", "return torch.exp(log_ratio)"),
    "PPO201": ("serious", "return (advantages - advantages.mean()) / (advantages.std() + 1e-8)"),
    "PPO411": ("serious", "return (old_log_probs - log_probs).mean()"),
    "PPO109": ("potential", "log_ratio = (log_probs - old_log_probs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)"),
    "PPO207": ("potential", "return torch.exp(advantages / BC_TEMPERATURE).clamp(max=BC_WEIGHT_CAP).detach()"),
    "PPO208": ("potential", '+ bc_coef * terms["bc_loss"]'),
    "PPO307": ("potential", "return quantiles + (clipped_value - value)"),
}


@pytest.fixture(scope="module")
def report():
    return audit(distributional_ppo.loss)


def test_the_findings_are_those_of_the_analysis_and_no_others(report):
    found = {finding.rule: finding.severity.label for finding in report.findings}
    assert found == {rule: severity for rule, (severity, _) in VERDICTS.items()}


@pytest.mark.parametrize("rule", VERDICTS)
def test_each_finding_is_at_its_line(report, rule):
    finding = next(finding for finding in report.findings if finding.rule == rule)
    assert SOURCE[finding.location.line - 1].strip() == VERDICTS[rule][1]


def test_the_audit_fails_the_run(report):
    assert report.exit_code == 1


@pytest.mark.parametrize("rule", ["PPO302", "PPO401", "PPO412"])
def test_what_is_right_is_reported_with_its_evidence(report, rule):
    outcome = next(outcome for outcome in report.targets[0].outcomes if outcome.rule == rule)
    assert outcome.status is Status.PASSED
    assert outcome.reason


def test_the_double_negation_is_worth_considering_and_no_finding(report):
    remark = next(remark for remark in report.targets[0].remarks if remark.topic == "double negation")
    assert "sum(dim=-1).mean()" in SOURCE[remark.location.line - 1]


def test_the_guard_of_the_normaliser_is_seen_and_respected(report):
    assert any("distributional_ppo.py:59" in guard for guard in report.targets[0].profile["one_sample_guard"])
    assert "PPO202" not in {finding.rule for finding in report.findings}


def test_two_audits_give_the_same_report_but_for_timings(report):
    first, second = (json.loads(render(r, "json")) for r in (report, audit(distributional_ppo.loss)))
    for entry in (*first["targets"], *second["targets"]):
        for key in ("seconds", "outcomes"):
            entry.pop(key)
    assert first == second


def test_its_json_report_validates_against_the_schema(report):
    schema = json.loads((Path(__file__).parents[2] / "shared" / "design" / "report.schema.json").read_text())
    jsonschema.validate(json.loads(render(report, "json")), schema)
