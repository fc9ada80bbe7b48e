"""Trainers that ask for gradients and step themselves: nothing in the loss says whether they climb or descend."""

import functools

import pytest
import torch

from ppo_audit.engine import Told, judge_one
from ppo_audit.journal import Silent
from ppo_audit.rules import catalogue
from ppo_audit.trainer import lift, lift_all

STEP = 0.05


def surrogate(log_prob, old, advantage):
    return ((log_prob - old).exp() * advantage).mean()


def log_prob_of(policy, observations, actions):
    return torch.distributions.Categorical(logits=policy(observations)).log_prob(actions)


def training(step, steps=5, shape=(16, 4)):
    """Updates by `step(policy, log_prob, old, advantage)`, on a rollout of (T, N) that is laid out flat in each."""

    def start():
        torch.manual_seed(0)
        policy = torch.nn.Linear(3, 4)
        for _ in range(steps):
            observations, advantage = torch.randn(*shape, 3).flatten(0, 1), torch.randn(shape)
            actions = torch.randint(4, (len(observations),))
            old = log_prob_of(policy, observations, actions).detach()
            now = functools.partial(log_prob_of, policy, observations, actions)
            step(policy, now, old, advantage.flatten())

    return start


def natural(policy, log_prob, old, advantage):
    """One gradient at the old policy, climbed."""
    gradients = torch.autograd.grad(surrogate(log_prob(), old, advantage), list(policy.parameters()))
    _move(policy, gradients, STEP)


def descending(policy, log_prob, old, advantage):
    gradients = torch.autograd.grad(-surrogate(log_prob(), old, advantage), list(policy.parameters()))
    _move(policy, gradients, -STEP)


def climbing_for_epochs(policy, log_prob, old, advantage):
    for _ in range(3):
        natural(policy, log_prob, old, advantage)


def backward(policy, log_prob, old, advantage):
    policy.zero_grad()
    surrogate(log_prob(), old, advantage).backward()
    _move(policy, [parameter.grad for parameter in policy.parameters()], STEP)


def _move(policy, gradients, step):
    with torch.no_grad():
        for parameter, gradient in zip(policy.parameters(), gradients, strict=True):
            parameter += step * gradient


def outcome(subject, code):
    return judge_one(subject, catalogue()[code], Told(Silent(), "default", "by hand")).outcome


@pytest.mark.parametrize("step", [natural, descending, climbing_for_epochs])
def test_an_objective_that_is_climbed_and_a_loss_that_is_descended_are_both_right(step):
    subject = lift("by hand", training(step), seed=0)
    assert subject.anatomy.coefficients == pytest.approx({"policy": -1.0})
    assert outcome(subject, "PPO104").status.value == "passed"


def test_the_report_says_that_the_gradient_is_read_as_climbed():
    subject = lift("by hand", training(natural), seed=0)
    assert "climbed" in subject.roles["log_prob"]
    assert "climbed" not in lift("by hand", training(descending), seed=0).roles["log_prob"]


def test_a_loss_given_to_backward_keeps_its_sign():
    assert outcome(lift("backward", training(backward), seed=0), "PPO104").status.value == "flagged"


def test_each_gradient_is_seen_once():
    assert [place for place, _ in lift_all("by hand", training(natural), seed=0)] == [_line_of(natural)]


def test_a_rollout_laid_out_flat_has_the_rows_of_its_log_probs():
    subject = lift("by hand", training(natural), seed=0)
    assert subject.capacity in (None, 64)
    assert subject.layout.tails == {}


def test_a_ratio_that_is_one_wherever_the_gradient_is_taken_cannot_overflow():
    assert outcome(lift("by hand", training(natural), seed=0), "PPO101").status.value == "skipped"
    assert outcome(lift("by hand", training(climbing_for_epochs), seed=0), "PPO101").status.value == "flagged"


def _line_of(function):
    code = function.__code__
    return f"test_gradients_taken_by_hand.py:{code.co_firstlineno + 2}"
