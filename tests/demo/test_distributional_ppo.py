"""The worked example computes what the analysis of the original trainer says, number for number."""

import inspect
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from ppo_audit.demo import distributional_ppo as trainer

F64 = torch.float64
COEFFICIENTS = ("kl_beta", "ent_coef", "vf_coef", "cvar_weight", "bc_coef")


def make_batch(dtype: torch.dtype = F64, samples: int = 8, actions: int = 2, quantiles: int = 40) -> dict[str, Tensor]:
    """A minibatch whose policy has moved a little since the actions were taken."""
    draw = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=F64).to(dtype)

    old_mean, old_log_std = normal(samples, actions), torch.full((actions,), -0.5, dtype=dtype)
    taken = old_mean + old_log_std.exp() * normal(samples, actions)
    old_quantiles = normal(samples, quantiles).sort(dim=-1).values
    return {
        "mean": old_mean + 0.2 * normal(samples, actions),
        "log_std": old_log_std + 0.1,
        "old_mean": old_mean,
        "old_log_std": old_log_std,
        "actions": taken,
        "old_log_probs": trainer.gaussian_log_prob(old_mean, old_log_std, taken),
        "advantages": normal(samples),
        "group_ids": torch.arange(samples) % 2,
        "quantiles": old_quantiles + normal(samples, 1),
        "old_quantiles": old_quantiles,
        "returns": normal(samples),
    }


def surrogate_gradient(log_ratio: float, advantage: float) -> float:
    """Derivative of the policy loss of one sample by its new log-probability."""
    log_prob = torch.tensor([log_ratio], dtype=F64, requires_grad=True)
    ratio = trainer.probability_ratio(log_prob, torch.zeros(1, dtype=F64))
    loss = trainer.policy_loss(ratio, torch.tensor([advantage], dtype=F64), clip_range=0.2)
    (gradient,) = torch.autograd.grad(loss, log_prob)
    return float(gradient)


class TestRatio:
    """Row 1: the clamp at 20 leaves a multiplier of exp(20)."""

    def test_bad_action_at_the_bound_has_a_gradient_of_exp_20(self) -> None:
        assert surrogate_gradient(20.0, advantage=-1.0) == pytest.approx(485_165_195.41, rel=1e-10)

    def test_good_action_at_the_bound_is_hidden_by_the_clip(self) -> None:
        assert surrogate_gradient(20.0, advantage=1.0) == 0

    @pytest.mark.parametrize("advantage", [-1.0, 1.0])
    def test_beyond_the_bound_lies_a_dead_zone(self, advantage: float) -> None:
        assert surrogate_gradient(20.1, advantage) == 0

    def test_ratio_one_gives_the_policy_gradient(self) -> None:
        assert surrogate_gradient(0.0, advantage=1.5) == -1.5


class TestKl:
    """Row 2: the estimate is k1, although both Gaussians are at hand."""

    def test_it_can_be_negative(self) -> None:
        assert trainer.approximate_kl(torch.tensor([-2.0]), torch.tensor([-1.0])) == -1

    def test_one_action_is_118_percent_off(self) -> None:
        old, new = Normal(0.0, 1.0), Normal(0.0, 2.0)
        exact = kl_divergence(old, new).item()
        estimate = trainer.approximate_kl(old.log_prob(torch.zeros(1)), new.log_prob(torch.zeros(1))).item()
        assert exact == pytest.approx(0.318, abs=5e-4)
        assert estimate == pytest.approx(0.693, abs=5e-4)
        assert estimate / exact - 1 == pytest.approx(1.18, abs=5e-3)

    def test_it_drives_the_penalty(self) -> None:
        batch = make_batch()
        free, metrics = trainer.loss(**batch, kl_beta=0.0)
        penalised, _ = trainer.loss(**batch, kl_beta=3.0)
        torch.testing.assert_close(penalised - free, 3 * metrics["approx_kl"])


class TestNormalisation:
    """Row 3: one mean and one deviation for all groups."""

    low = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5], dtype=F64)
    high = torch.tensor([5.0, 10.0, 15.0], dtype=F64)

    def test_signs_flip_inside_the_groups(self) -> None:
        together = torch.cat([self.low, self.high])
        assert together.mean().item() == pytest.approx(3.94, abs=5e-3)
        assert together.std().item() == pytest.approx(5.69, abs=5e-3)
        low, high = trainer.normalise_advantages(together).split([5, 3])
        assert low.tolist() == sorted(low.tolist())
        assert low[[0, -1]].tolist() == pytest.approx([-0.67, -0.60], abs=6e-3)
        assert high.tolist() == pytest.approx([0.19, 1.07, 1.94], abs=6e-3)

    def test_one_advantage_stays_as_it_is(self) -> None:
        assert trainer.normalise_advantages(torch.tensor([3.0])) == 3

    def test_groups_appear_in_the_metrics_only(self) -> None:
        batch = make_batch()
        total, metrics = trainer.loss(**batch)
        regrouped, other = trainer.loss(**{**batch, "group_ids": torch.tensor([3, 3, 3, 9, 9, 9, 9, 5])})
        assert regrouped == total
        advantages = batch["advantages"]
        by_hand = torch.stack([advantages[:3].mean(), advantages[7], advantages[3:7].mean()])
        torch.testing.assert_close(other["group_advantage"], by_hand)
        assert metrics["group_advantage"].shape == (2,)


class TestCritic:
    """Row 4: all quantiles shift with the clipped mean; the loss is the worse of two against the unclipped return."""

    def test_quantiles_shift_alike(self) -> None:
        quantiles = torch.tensor([[6.0, 7.0, 8.0, 9.0, 10.0]])
        clipped = trainer.clip_quantiles(quantiles, torch.full((1, 5), 3.0), clip_range_vf=0.5)
        assert clipped.tolist() == [[1.5, 2.5, 3.5, 4.5, 5.5]]

    def test_each_sample_takes_the_worse_loss(self) -> None:
        quantiles, old = torch.full((2, 3), 4.0, dtype=F64), torch.full((2, 3), 3.0, dtype=F64)
        returns = torch.tensor([4.0, 0.0], dtype=F64)
        clipped = trainer.quantile_loss(torch.full((2, 3), 3.5, dtype=F64), returns)
        free = trainer.quantile_loss(quantiles, returns)
        assert clipped[0] > free[0]
        assert free[1] > clipped[1]
        loss = trainer.value_loss(quantiles, old, returns, clip_range_vf=0.5)
        torch.testing.assert_close(loss, (clipped[0] + free[1]) / 2)

    def test_quantiles_are_learned_at_their_levels(self) -> None:
        returns = torch.linspace(0, 1000, 1001, dtype=F64)
        at = torch.tensor([100.0, 300.0, 500.0, 700.0, 900.0], dtype=F64, requires_grad=True)
        trainer.quantile_loss(at.expand(1001, 5), returns).mean().backward()
        assert at.grad is not None
        assert at.grad.abs().max().item() < 1e-3

    def test_cvar_is_the_mean_of_the_lowest_twentieth(self) -> None:
        quantiles = torch.arange(40.0).flip(0).expand(3, 40)
        assert trainer.conditional_value_at_risk(quantiles) == 0.5
        assert trainer.conditional_value_at_risk(torch.tensor([[2.0, 1.0, 3.0]])) == 1


class TestEntropy:
    """Row 5: two negations, and entropy is maximised."""

    def test_it_is_the_negative_mean_over_samples_of_the_sum_over_dimensions(self) -> None:
        one_dimension = 0.5 * math.log(2 * math.pi * math.e)
        loss = trainer.entropy_loss(torch.zeros(4, 3, dtype=F64), torch.zeros(3, dtype=F64))
        assert loss.item() == pytest.approx(-3 * one_dimension)

    def test_raising_entropy_lowers_the_total_at_the_rate_of_the_coefficient(self) -> None:
        batch = make_batch()
        less, metrics = trainer.loss(**batch, ent_coef=0.0)
        more, _ = trainer.loss(**batch, ent_coef=0.5)
        torch.testing.assert_close(more - less, 0.5 * metrics["entropy_loss"])


class TestBehaviourCloning:
    """Row 6: the weights are nearly flat."""

    def test_weights_barely_tell_good_from_bad(self) -> None:
        weights = trainer.behaviour_cloning_weights(torch.tensor([0.0, 2.0, 3.0, 23.0, 24.0]))
        assert weights.tolist() == pytest.approx([1.00, 1.49, 1.82, 99.5, 100.0], abs=0.02)

    def test_most_samples_lie_within_half_of_one(self) -> None:
        weights = trainer.behaviour_cloning_weights(torch.tensor([-2.0, 2.0]))
        assert weights.tolist() == pytest.approx([0.67, 1.49], abs=5e-3)

    def test_weights_are_constants_for_the_gradient(self) -> None:
        assert not trainer.behaviour_cloning_weights(torch.ones(2, requires_grad=True)).requires_grad


class TestAdvantages:
    """Done right: a truncation is bootstrapped, and nothing leaks from one episode into the one before."""

    def advantages(self, **ends: list[int]) -> Tensor:
        """Advantages of three unit rewards, with values 10, 20, 30 and next values 20, 7, 40."""
        flags = {name: torch.tensor(ends.get(name, [0, 0, 0])) for name in ("terminated", "truncated")}
        values, next_values = torch.tensor([10.0, 20.0, 30.0]), torch.tensor([20.0, 7.0, 40.0])
        advantages, returns = trainer.compute_advantages(
            torch.ones(3), values, next_values, **flags, gamma=0.5, gae_lambda=0.5
        )
        assert torch.equal(returns, advantages + values)
        return advantages

    def test_recursion(self) -> None:
        assert self.advantages().tolist() == [1 - 15.5 / 4 - 9 / 16, -15.5 - 9 / 4, -9]

    def test_termination_stops_bootstrap_and_credit(self) -> None:
        assert self.advantages(terminated=[0, 1, 0]).tolist() == [1 - 19 / 4, -19, -9]

    def test_truncation_bootstraps_and_stops_credit(self) -> None:
        assert self.advantages(truncated=[0, 1, 0]).tolist() == [1 - 15.5 / 4, -15.5, -9]


class TestLoss:
    """The whole, as it is called."""

    @pytest.mark.parametrize("dtype", [torch.float32, F64])
    def test_it_runs_in_the_dtype_of_its_inputs(self, dtype: torch.dtype) -> None:
        batch = make_batch(dtype)
        learned = [batch[name].requires_grad_() for name in ("mean", "log_std", "quantiles")]
        total, metrics = trainer.loss(**batch)
        assert total.dtype == dtype
        assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(total, learned))
        assert not any(metric.requires_grad for metric in metrics.values())

    def test_one_sample_is_enough(self) -> None:
        total, _ = trainer.loss(**make_batch(samples=1))
        assert total.isfinite()

    @pytest.mark.parametrize("option", inspect.getfullargspec(trainer.loss).kwonlyargs)
    def test_every_option_has_an_effect(self, option: str) -> None:
        other: dict[str, Any] = {option: 0.05 if option.startswith("clip") else 2.0}
        assert trainer.loss(**make_batch(), **other)[0] != trainer.loss(**make_batch())[0]

    def test_without_coefficients_the_surrogate_remains(self) -> None:
        total, metrics = trainer.loss(**make_batch(), **dict.fromkeys(COEFFICIENTS, 0.0))
        assert total == metrics["policy_loss"]
