"""The mask of a recorded loss: found by what it does, in any form, and not seen where there is none."""

import numpy as np
import pytest
import torch

from ppo_audit.trainer import lift, lift_all

SEQUENCES, TOKENS = 8, 5


def training(loss_of, mask_of, steps=3, tokens=TOKENS):
    """A policy over tokens, updated by `loss_of(log_prob, old, advantage, mask)`; every minibatch has its own mask."""

    def start():
        torch.manual_seed(0)
        policy = torch.nn.Linear(3, 4)
        optimizer = torch.optim.SGD(policy.parameters(), lr=0.1)
        for _ in range(steps):
            observations, advantage = torch.randn(SEQUENCES, tokens, 3), torch.randn(SEQUENCES, 1)
            actions = torch.randint(4, (SEQUENCES, tokens))
            logits = policy(observations)
            old = torch.distributions.Categorical(logits=logits.detach()).log_prob(actions)
            keep = torch.arange(tokens) < torch.randint(1, tokens + 1, (SEQUENCES, 1))
            mask = torch.from_numpy(mask_of(keep.numpy()))  # as it comes out of a buffer: its making is not recorded
            new = torch.distributions.Categorical(logits=logits).log_prob(actions)
            optimizer.zero_grad()
            loss_of(new, old, advantage, mask).backward()
            optimizer.step()

    return start


def per_token(new, old, advantage):
    ratio = (new - old).exp()
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)


def selected(new, old, advantage, mask):
    return torch.where(mask, per_token(new, old, advantage), 0.0).sum() / mask.sum()


def multiplied(new, old, advantage, mask):
    return (per_token(new, old, advantage) * mask).sum() / mask.sum()


def filled(new, old, advantage, padding):
    return per_token(new, old, advantage).masked_fill(padding, 0.0).sum() / (~padding).sum()


def converted(new, old, advantage, mask):
    mask = mask.to(torch.float32)
    return ((per_token(new, old, advantage) * mask).sum(1) / mask.sum(1)).mean()


FORMS = {
    "a boolean mask that selects": (selected, lambda keep: keep, torch.bool, True),
    "a boolean mask that multiplies": (multiplied, lambda keep: keep, torch.bool, True),
    "a boolean mask of padding": (filled, lambda keep: ~keep, torch.bool, False),
    "a floating-point mask": (multiplied, lambda keep: keep.astype(np.float32), torch.float32, True),
    "an integer mask": (multiplied, lambda keep: keep.astype(np.int64), torch.int64, True),
    "an integer mask that is converted": (converted, lambda keep: keep.astype(np.int64), torch.int64, True),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_is_found_with_its_dtype_and_polarity(form):
    loss_of, mask_of, dtype, keeps = FORMS[form]
    subject = lift(form, training(loss_of, mask_of), seed=0)
    assert subject.available == {"log_prob", "old_log_prob", "advantage", "mask"}
    assert (subject.layout.mask_dtype, subject.layout.mask_keeps) == (dtype, keeps)
    assert subject.profile.clip == pytest.approx((0.8, 1.2), abs=1e-5)


def test_a_mask_of_whole_samples_is_found():
    def loss_of(new, old, advantage, mask):
        return torch.where(mask[:, :1], per_token(new, old, advantage), 0.0).sum()

    assert "mask" in lift("samples", training(loss_of, lambda keep: np.roll(keep, 1, 1)), seed=0).available


def dual_clip(new, old, advantage, mask):
    bounded = torch.max(per_token(new, old, advantage), -3 * advantage)
    return torch.where(advantage < 0, bounded, per_token(new, old, advantage)).mean()


def weighted(new, old, advantage, mask):
    return (per_token(new, old, advantage) * torch.where(mask, 1.0, 0.5)).mean()


@pytest.mark.parametrize("loss_of", [dual_clip, weighted])
def test_what_decides_and_drops_nothing_is_no_mask(loss_of):
    for _, subject in lift_all("no mask", training(loss_of, lambda keep: keep, steps=1), seed=0):
        assert "mask" not in subject.available


def test_a_loss_that_counts_padding_is_flagged():
    from ppo_audit.engine import Told, judge_one
    from ppo_audit.journal import Silent
    from ppo_audit.rules import catalogue

    def leaking(new, old, advantage, mask):
        entropy_like = -new.exp() * new
        return (per_token(new, old, advantage) * mask).sum() / mask.sum() - 0.01 * entropy_like.mean()

    told = Told(Silent(), "default", "masked")
    verdicts = {
        loss_of: judge_one(lift("masked", training(loss_of, lambda keep: keep), seed=0), catalogue()["PPO501"], told)
        for loss_of in (multiplied, leaking)
    }
    assert [verdict.outcome.status.value for verdict in verdicts.values()] == ["passed", "flagged"]
