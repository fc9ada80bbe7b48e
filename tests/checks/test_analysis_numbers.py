"""The numbers of `shared/design/analysis.md`, obtained by the rules' own measuring functions from its inputs."""

from __future__ import annotations

import math

import pytest
import torch

from ppo_audit.checks.advantages.keeps_signs_within_groups import ADVANTAGES, GROUPS, above_group_mean
from ppo_audit.checks.advantages.weights_discriminate import weights
from ppo_audit.checks.kl.kl_estimates_the_kl import expectations
from ppo_audit.checks.kl.kl_non_negative import is_linear
from ppo_audit.checks.ratio.log_ratio_clamp_dead_zone import dead_zone
from ppo_audit.demo import distributional_ppo
from ppo_audit.probes.kl import kl_exact, kl_values
from ppo_audit.probes.quantities import clipped_quantiles
from ppo_audit.reference import gaussian_log_prob
from ppo_audit.settings import Settings
from ppo_audit.subjects.called import called_subject
from ppo_audit.subjects.subject import Subject


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return called_subject("demo", distributional_ppo.loss, Settings())


def clamped_at(bound: float) -> Subject:
    def loss(log_prob, old_log_prob, advantages, clip_range=0.2):
        ratio = (log_prob - old_log_prob).clamp(-bound, bound).exp()
        return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()

    return called_subject("clamped", loss, Settings())


def unclamped() -> Subject:
    return clamped_at(math.inf)


class TestRatioOverflow:
    def test_the_gradient_at_20_is_exp_20_for_a_loss_only(self, subject: Subject):
        gain, loss = subject.policy(numbers(20, 20), numbers(1, -1)).tolist()
        assert gain == 0
        assert loss == pytest.approx(485_165_195, rel=1e-8)

    def test_unclamped_it_is_nan_at_100_even_for_a_gain(self):
        assert unclamped().in_float32.policy(numbers(100, 100), numbers(1, -1))[0].isnan()

    def test_a_clamp_at_10_leaves_a_loss_of_22026_without_gradient(self):
        assert dead_zone(clamped_at(10.0), 12.0) == (pytest.approx(22_026, abs=1), 0.0)


class TestKL:
    def test_k1_is_minus_one_for_old_minus_2_and_new_minus_1(self, subject: Subject):
        cases = {"log_prob": numbers(-1), "old_log_prob": numbers(-2)}
        assert kl_values(subject, cases).tolist() == pytest.approx([-1.0])
        assert is_linear(numbers(1, 2, -1), -numbers(1, 2, -1))

    def test_k1_is_unbiased(self, subject: Subject):
        forward, _, mean = expectations(subject, (0.5, 0.25, 0.25), (0.25, 0.25, 0.5))
        assert mean.item() == pytest.approx(forward.item())

    def test_the_exact_kl_of_two_gaussians_against_k1_at_zero(self, subject: Subject):
        one, zero, action = numbers(0).log1p(), numbers(0), numbers(0)
        pair = {
            "mean": zero[None],
            "old_mean": zero[None],
            "log_std": one[None] + math.log(2),
            "old_log_std": one[None],
        }
        assert kl_exact(pair)[0].item() == pytest.approx(0.318, abs=1e-3)
        new, old = (gaussian_log_prob(action, zero, numbers(math.log(deviation))) for deviation in (2, 1))
        k1 = kl_values(subject, {"log_prob": new.reshape(1), "old_log_prob": old.reshape(1)})
        assert k1.item() == pytest.approx(0.693, abs=1e-3)


class TestAdvantages:
    def test_groups_share_one_mean_and_deviation(self, subject: Subject):
        assert ADVANTAGES.mean().item() == pytest.approx(3.94, abs=0.005)
        assert ADVANTAGES.std().item() == pytest.approx(5.69, abs=0.005)
        effective = subject.normalised(ADVANTAGES, group=GROUPS)
        assert effective[:5].tolist() == pytest.approx([-0.67, -0.66, -0.64, -0.62, -0.60], abs=0.01)
        assert effective[5:].tolist() == pytest.approx([0.19, 1.07, 1.94], abs=0.01)
        assert above_group_mean(ADVANTAGES, GROUPS)[4].item() == pytest.approx(0.2)

    def test_cloning_weights_at_0_2_3_and_23_sigma(self, subject: Subject):
        assert weights(subject, numbers(0, 2, 3, 23)).tolist() == pytest.approx([1.00, 1.49, 1.82, 99.5], abs=0.02)

    def test_95_percent_of_the_weights_lie_between_067_and_149(self, subject: Subject):
        levels = torch.linspace(0, 1, 1003, dtype=torch.float64)[1:-1]
        weight = weights(subject, torch.special.ndtri(levels))
        within = ((weight >= 0.67) & (weight <= 1.4919)).double().mean().item()
        assert within == pytest.approx(0.95, abs=0.01)


class TestQuantiles:
    def test_the_clip_shifts_the_tail_with_the_mean(self, subject: Subject):
        clipped = clipped_quantiles(subject, numbers(6, 7, 8, 9, 10)[None], numbers(1, 2, 3, 4, 5)[None])
        assert clipped[0].tolist() == [1.5, 2.5, 3.5, 4.5, 5.5]
