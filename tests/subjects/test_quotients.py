"""A ratio that divides probabilities is judged like one of log-probs, at the line of its division."""

import pytest
import torch

from ppo_audit import audit
from ppo_audit.findings import Status


def surrogate(ratio, advantages, clip):
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


def right(probs, old_probs, advantages, clip=0.2):
    return surrogate(probs / old_probs, advantages, clip)


def upside_down(action_probs, old_action_probs, advantages, clip=0.2):
    return surrogate(old_action_probs / action_probs, advantages, clip)


def never_clipped(prob, prob_old, advantages, clip=0.2):
    return -(prob.div(prob_old) * advantages).mean()


def of_log_probs_by_another_name(probs, old_probs, advantages, clip=0.2):
    return surrogate((probs - old_probs).exp(), advantages, clip)


def statuses(report):
    return {outcome.rule: outcome.status for outcome in report.targets[0].outcomes}


def test_all_rules_of_the_clip_judge_it():
    report = audit(right)
    assert [finding.rule for finding in report.findings] == ["PPO101"]
    assert {statuses(report)[f"PPO10{number}"] for number in range(2, 8)} == {Status.PASSED}
    assert report.targets[0].roles["old_log_prob"] == "the logarithm of `old_probs`"


@pytest.mark.parametrize(("function", "rule", "code"), [(upside_down, "PPO104", "/"), (never_clipped, "PPO102", "div")])
def test_its_faults_are_found(function, rule, code):
    finding = next(finding for finding in audit(function).findings if finding.rule == rule)
    assert code in finding.location.code


def test_a_function_that_divides_nothing_is_asked_about():
    (target,) = audit(of_log_probs_by_another_name).targets
    assert "of `of_log_probs_by_another_name`: its role is not clear" in target.error
