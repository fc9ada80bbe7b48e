"""The surrogates against scalar Python, finite differences and exact identities."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppo_audit import reference

log_ratios = st.floats(-3.0, 3.0)
advantages = st.floats(-10.0, 10.0)
clip_ranges = st.floats(0.01, 0.9)


def scalar_clipped(r: float, a: float, low: float, high: float) -> float:
    return min(r * a, max(1.0 - low, min(r, 1.0 + high)) * a)


def tensor(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


@given(log_ratios, advantages, clip_ranges, clip_ranges)
def test_the_clipped_surrogates_equal_the_scalar_formula(x, a, low, high):
    r = math.exp(x)
    symmetric = reference.clipped_surrogate(tensor(r), tensor(a), low)
    asymmetric = reference.asymmetric_clipped_surrogate(tensor(r), tensor(a), low, high)
    assert symmetric.item() == pytest.approx(scalar_clipped(r, a, low, low), rel=1e-12, abs=1e-12)
    assert asymmetric.item() == pytest.approx(scalar_clipped(r, a, low, high), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "expected"),
    [
        (0.0, 2.0, 2.0),  # inside: r A
        (0.5, 2.0, 0.0),  # gain banked
        (-0.5, -2.0, 0.0),  # gain banked
        (0.5, -2.0, -2.0 * math.exp(0.5)),  # a correction keeps its gradient
        (-0.5, 2.0, 2.0 * math.exp(-0.5)),  # a correction keeps its gradient
    ],
)
def test_the_gradient_of_the_clipped_surrogate_is_r_times_a_or_exactly_zero(log_ratio, advantage, expected):
    log_prob = tensor(log_ratio).requires_grad_()
    surrogate = reference.clipped_surrogate(reference.ratio(log_prob, tensor(0.0)), tensor(advantage), 0.2)
    (gradient,) = torch.autograd.grad(surrogate.sum(), log_prob)
    assert gradient.item() == pytest.approx(expected, abs=0.0 if expected == 0.0 else 1e-12)


@given(log_ratios, advantages, clip_ranges, st.floats(2.0, 5.0))
def test_the_dual_clip_bounds_the_loss_of_negative_advantages_only(x, a, clip_range, c):
    r = math.exp(x)
    plain = scalar_clipped(r, a, clip_range, clip_range)
    expected = max(plain, c * a) if a < 0 else plain
    got = reference.dual_clip_surrogate(tensor(r), tensor(a), clip_range, c)
    assert got.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_a_dual_clip_inside_the_clip_range_is_refused():
    with pytest.raises(ValueError, match=r"above 1 \+ clip_range = 1.2, got 1.1"):
        reference.dual_clip_surrogate(tensor(1.0), tensor(1.0), 0.2, 1.1)


def test_the_kl_penalty_and_policy_gradient_surrogates_are_linear_in_their_parts():
    r, a, kl = tensor(1.5, 0.5), tensor(2.0, -1.0), tensor(0.1, 0.3)
    assert reference.policy_gradient_surrogate(r, a).tolist() == [3.0, -0.5]
    assert reference.kl_penalty_surrogate(r, a, kl, 2.0).tolist() == pytest.approx([2.8, -1.1])


@pytest.mark.parametrize("log_ratio", [-200.0, -30.0, -1.0, 0.0, 1.0, 9.99])
def test_the_linear_tail_ratio_is_the_ratio_below_its_bound(log_ratio):
    log_prob = tensor(log_ratio).requires_grad_()
    got = reference.linear_tail_ratio(log_prob, tensor(0.0))
    (gradient,) = torch.autograd.grad(got.sum(), log_prob)
    assert got.item() == gradient.item() == math.exp(log_ratio)


@pytest.mark.parametrize("log_ratio", [10.5, 20.0, 100.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_linear_tail_ratio_has_a_bounded_and_living_gradient_beyond_its_bound(log_ratio, dtype):
    log_prob = torch.tensor([log_ratio], dtype=dtype, requires_grad=True)
    got = reference.linear_tail_ratio(log_prob, torch.zeros(1, dtype=dtype))
    (gradient,) = torch.autograd.grad(got.sum(), log_prob)
    assert gradient.item() == pytest.approx(math.exp(10.0), rel=1e-6)
    assert got.item() == pytest.approx(math.exp(10.0) * (log_ratio - 9.0), rel=1e-6)


def test_the_linear_tail_ratio_is_smooth_at_its_bound():
    at = lambda x: reference.linear_tail_ratio(tensor(x), tensor(0.0), 2.0).item()
    step = 1e-6
    left, right = (at(2.0) - at(2.0 - step)) / step, (at(2.0 + step) - at(2.0)) / step
    assert left == pytest.approx(right, rel=1e-5)


def test_the_sequence_ratio_is_the_geometric_mean_of_the_valid_tokens():
    log_prob, log_prob_old = tensor(-1.0, -2.0, -50.0)[None], tensor(-1.5, -1.0, 0.0)[None]
    mask = torch.tensor([[True, True, False]])
    got = reference.sequence_ratio(log_prob, log_prob_old, mask)
    assert got.item() == pytest.approx(math.sqrt(math.exp(0.5) * math.exp(-1.0)))


@pytest.mark.parametrize(("log_ratio", "weight"), [(-1.0, math.exp(-1.0)), (0.1, math.exp(0.1)), (500.0, 5.0)])
def test_cispo_keeps_every_gradient_with_a_capped_weight(log_ratio, weight):
    log_prob = tensor(log_ratio).requires_grad_()
    surrogate = reference.cispo_surrogate(log_prob, tensor(0.0), tensor(-3.0), clip_range_high=4.0)
    (gradient,) = torch.autograd.grad(surrogate.sum(), log_prob)
    assert gradient.item() == pytest.approx(-3.0 * weight)


def test_the_clip_fraction_counts_valid_ratios_outside_the_range():
    ratios = tensor(0.7, 0.9, 1.0, 1.1, 1.3, 9.0)
    mask = torch.tensor([True] * 5 + [False])
    assert reference.clip_fraction(ratios, 0.2, mask).item() == pytest.approx(2 / 5)


def test_a_trailing_axis_is_refused_and_named():
    with pytest.raises(ValueError, match=r"`ratio` \(3,\), `advantage` \(3, 1\)"):
        reference.clipped_surrogate(torch.ones(3), torch.ones(3, 1), 0.2)


def test_integer_log_probs_are_refused():
    with pytest.raises(ValueError, match=r"`log_prob` of a floating dtype, got torch.int64"):
        reference.ratio(torch.ones(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64))
