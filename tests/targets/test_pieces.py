"""Pieces of a loss are judged as what they are: a surrogate of a given ratio, a ratio, an objective to be maximised."""

import pytest
import torch

from ppo_audit import audit
from ppo_audit.findings import Status
from ppo_audit.settings import Settings


def clipped(ratio, advantages, clip_range=0.2):
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()


def clipped_the_wrong_way(ratio, advantages, clip_range=0.2):
    return -torch.max(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()


def with_weights(w, adv, eps):
    return -torch.min(w * adv, w.clamp(1 - eps, 1 + eps) * adv).mean()


def penalised(ratio, advantage, kl, kl_coef):
    return (-ratio * advantage + kl_coef * kl).mean()


def ppo_surrogate(log_prob, old_log_prob, advantage, clip_range):
    ratio = (log_prob - old_log_prob).clamp(-10, 10).exp()
    return torch.min(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)


def ppo_loss(log_prob, old_log_prob, advantage, clip_range):
    return ppo_surrogate(log_prob, old_log_prob, advantage, clip_range).mean()


def unguarded_ratio(new_logp, old_logp):
    return torch.exp(new_logp - old_logp)


def guarded_ratio(new_logp, old_logp):
    return torch.exp((new_logp - old_logp).clamp(-5, 5))


def status(report, code):
    (entry,) = report.targets
    return next(outcome.status for outcome in entry.outcomes if outcome.rule == code)


def test_a_surrogate_of_a_given_ratio_is_judged_but_for_how_the_ratio_is_formed():
    report = audit(clipped)
    assert report.exit_code == 0
    assert status(report, "PPO102") is Status.PASSED
    assert status(report, "PPO101") is Status.SKIPPED
    assert "through `ratio`" in report.targets[0].roles["log_prob"]


def test_a_fault_of_such_a_surrogate_is_found_at_its_own_line():
    (finding, *_) = audit(clipped_the_wrong_way).findings
    assert finding.location.file.endswith("test_pieces.py")
    assert "torch.max" in finding.location.code


def test_the_user_may_say_which_parameter_is_the_ratio():
    assert audit(with_weights, Settings(roles=(("ratio", "w"),))).exit_code == 0


def test_a_kl_of_each_sample_may_be_given_beside_it():
    assert audit(penalised).exit_code == 0


@pytest.mark.parametrize(("function", "wanted"), [(unguarded_ratio, Status.FLAGGED), (guarded_ratio, Status.PASSED)])
def test_a_ratio_by_itself_is_no_divergence_and_may_overflow(function, wanted):
    report = audit(function)
    assert report.targets[0].kind == "loss"
    assert status(report, "PPO101") is wanted


def test_a_surrogate_by_name_is_an_objective_and_a_loss_is_none():
    assert status(audit(ppo_surrogate), "PPO104") is Status.PASSED
    assert "objective" in audit(ppo_surrogate).targets[0].roles["log_prob"]
    assert status(audit(ppo_loss), "PPO104") is Status.FLAGGED
