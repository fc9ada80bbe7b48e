"""The roles of a trainer's tensors, where neither names nor `torch.distributions` tell them."""

import math

import pytest
import torch
from torch.nn.functional import log_softmax

from ppo_audit.errors import UsageError
from ppo_audit.trainer import lift

SAMPLES, CHOICES = 8, 4


def training(actor_terms, steps=3):
    """A trainer in a few lines, with a critic beside the policy; `actor_terms(now, old)` are added to its PPO loss."""

    def start():
        torch.manual_seed(0)
        actor, critic = torch.nn.Linear(3, CHOICES), torch.nn.Linear(3, 1)
        log_std = torch.nn.Parameter(torch.zeros(CHOICES))
        optimizer = torch.optim.SGD([*actor.parameters(), *critic.parameters(), log_std], lr=0.1)
        observations, advantage = torch.randn(SAMPLES, 3), torch.randn(SAMPLES)
        returns, action = torch.randn(SAMPLES), torch.randint(CHOICES, (SAMPLES,))
        first = parameters(actor(observations), log_std)
        old = [tensor.detach() for tensor in first]
        old_log_prob = log_prob(first[0], action).detach()
        for _ in range(steps):
            now = parameters(actor(observations), log_std)
            ratio = (log_prob(now[0], action) - old_log_prob).exp()
            actor_loss = -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            terms = actor_terms(now, old)
            error = (critic(observations).squeeze(-1) - returns).square()
            optimizer.zero_grad()
            (actor_loss.mean() + 0.1 * terms.mean() + 0.5 * error.mean()).backward()
            optimizer.step()

    return start


def parameters(output, log_std):
    return output, log_std.expand_as(output)


def log_prob(logits, action):
    return log_softmax(logits, -1).gather(-1, action.unsqueeze(-1)).squeeze(-1)


def entropy_of_logits(now, old):
    log_p = log_softmax(now[0], -1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return -entropy


def divergence_from_old(now, old):
    old_log_p, log_p = log_softmax(old[0], -1), log_softmax(now[0], -1)
    return (old_log_p.exp() * (old_log_p - log_p)).sum(-1)


def divergence_to_old(now, old):
    old_log_p, log_p = log_softmax(old[0], -1), log_softmax(now[0], -1)
    return (log_p.exp() * (log_p - old_log_p)).sum(-1)


def half_an_entropy(now, old):
    log_p = log_softmax(now[0], -1)
    return (log_p.exp() * log_p * torch.tensor([1.0, 1.0, 1.0, 0.5])).sum(-1)


CRITIC = {"value", "return_"}
POLICY = {"log_prob", "old_log_prob", "advantage"}


@pytest.mark.parametrize(
    ("terms", "role"),
    [(entropy_of_logits, "entropy"), (divergence_from_old, "kl"), (divergence_to_old, "kl")],
)
def test_what_is_written_by_hand_is_known_by_what_it_equals(terms, role):
    subject = lift("by hand", training(terms), seed=0)
    assert subject.available == POLICY | CRITIC | {role}


def test_the_value_is_not_the_new_policy_that_a_kl_compares_with_the_old_one():
    subject = lift("by hand", training(divergence_from_old), seed=0)
    assert subject.layout.shape("value", SAMPLES) == (SAMPLES, 1)


def test_a_kl_by_hand_is_a_term_of_its_own_with_its_coefficient():
    subject = lift("by hand", training(divergence_from_old), seed=0)
    assert subject.profile.coefficients["kl"] == pytest.approx(0.1)


def test_what_is_neither_entropy_nor_kl_is_declined_at_its_line():
    with pytest.raises(UsageError, match=r"path that was not followed: .* at .*test_evidence.py:\d+"):
        lift("by hand", training(half_an_entropy), seed=0)


def gaussian_training(terms, steps=3):
    """The same for a Gaussian whose spread no state changes."""

    def start():
        torch.manual_seed(0)
        actor, log_std = torch.nn.Linear(3, 2), torch.nn.Parameter(torch.zeros(2))
        optimizer = torch.optim.SGD([*actor.parameters(), log_std], lr=0.1)
        observations, advantage, action = torch.randn(SAMPLES, 3), torch.randn(SAMPLES), torch.randn(SAMPLES, 2)
        old = [tensor.detach() for tensor in parameters(actor(observations), log_std)]
        old_log_prob = gaussian_log_prob(*old, action)
        for _ in range(steps):
            now = parameters(actor(observations), log_std)
            ratio = (gaussian_log_prob(*now, action) - old_log_prob).exp()
            optimizer.zero_grad()
            (-(ratio * advantage).mean() + 0.1 * terms(now, old).mean()).backward()
            optimizer.step()

    return start


def gaussian_log_prob(mean, log_std, action):
    error = (action - mean) / log_std.exp()
    return -(0.5 * error.square() + log_std + 0.5 * math.log(2 * math.pi)).sum(-1)


def gaussian_bonus(now, old):
    entropy = (now[1] + 0.5 + 0.5 * math.log(2 * math.pi)).sum(-1)
    return -entropy


def gaussian_divergence(now, old):
    """With spreads under an `exp`, as the ratio is."""
    (mean, log_std), (old_mean, old_log_std) = now, old
    square = (2 * (old_log_std - log_std)).exp() + ((mean - old_mean) / log_std.exp()).square()
    return (log_std - old_log_std + 0.5 * square - 0.5).sum(-1)


@pytest.mark.parametrize(("terms", "role"), [(gaussian_bonus, "entropy"), (gaussian_divergence, "kl")])
def test_those_of_a_gaussian_are_known_too(terms, role):
    assert lift("by hand", gaussian_training(terms), seed=0).available == POLICY | {role}


def misnamed():
    """A trainer whose advantages are called entropies, and whose log-probs have names that say nothing."""
    torch.manual_seed(0)
    actor = torch.nn.Linear(3, CHOICES)
    observations, entropies, action = torch.randn(SAMPLES, 3), torch.randn(SAMPLES), torch.randint(CHOICES, (SAMPLES,))
    x = log_prob(actor(observations), action).detach()
    for _ in range(3):
        ratio = (log_prob(actor(observations), action) - x).exp()
        actor.zero_grad()
        (-torch.min(ratio * entropies, ratio.clamp(0.8, 1.2) * entropies).mean()).backward()


@pytest.mark.parametrize(
    ("start", "role", "confidence"),
    [
        (training(entropy_of_logits), "advantage", "high: its name says the same"),
        (training(entropy_of_logits), "old_log_prob", "high: its name says the same"),
        (training(entropy_of_logits), "entropy", "high: it behaves so"),
        (training(entropy_of_logits), "log_prob", "fair: by its place alone"),
        (misnamed, "old_log_prob", "fair: by its place alone"),
        (misnamed, "advantage", "low: its name speaks of `entropy`"),
    ],
)
def test_confidence_in_a_role_comes_of_how_many_kinds_of_evidence_agree(start, role, confidence):
    assert f"(confidence {confidence})" in lift("trainer", start, seed=0).roles[role]
