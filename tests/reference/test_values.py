"""Critic losses against scalar Python, torch's own losses, and the minimisers that they must have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppo_audit import reference

numbers = st.floats(-10.0, 10.0)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(numbers, numbers, numbers, st.floats(0.01, 5.0))
def test_the_clipped_value_loss_equals_the_scalar_formula_and_is_never_below_the_plain_one(v, v_old, r, clip):
    held = v_old + max(-clip, min(v - v_old, clip))
    got = reference.clipped_value_loss(tensor(v), tensor(v_old), tensor(r), clip).item()
    assert got == pytest.approx(max((v - r) ** 2, (held - r) ** 2), rel=1e-12, abs=1e-12)
    assert got >= reference.value_loss(tensor(v), tensor(r)).item()


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3.0, 0.0), (-3.0, 2.0 * (-3.0 - 10.0)), (0.5, 2.0 * (0.5 - 10.0))],
    ids=["past the clip towards the target", "past the clip away from it", "inside the clip"],
)
def test_the_clipped_value_loss_stops_only_progress(value, expected):
    v = tensor(value).requires_grad_()
    reference.clipped_value_loss(v, tensor(0.0), tensor(10.0), 1.0).sum().backward()
    assert v.grad.item() == expected


@given(numbers, numbers, st.floats(0.1, 5.0))
def test_the_huber_loss_equals_torchs(v, r, delta):
    expected = torch.nn.functional.huber_loss(tensor(v), tensor(r), delta=delta).item()
    assert reference.huber_value_loss(tensor(v), tensor(r), delta).item() == pytest.approx(expected, abs=1e-12)


def scalar_quantile_loss(quantiles: list[float], targets: list[float], kappa: float) -> float:
    total = 0.0
    for i, theta in enumerate(quantiles):
        level = (2 * i + 1) / (2 * len(quantiles))
        for z in targets:
            u = z - theta
            weight = level if u >= 0 else 1.0 - level
            if kappa == 0.0:
                total += weight * abs(u) / len(targets)
            else:
                huber = 0.5 * u * u if abs(u) <= kappa else kappa * (abs(u) - 0.5 * kappa)
                total += weight * huber / kappa / len(targets)
    return total


@given(st.lists(numbers, min_size=1, max_size=4), st.lists(numbers, min_size=1, max_size=3))
def test_the_quantile_losses_equal_their_double_sum(quantiles, targets):
    theta, z = tensor(*quantiles)[None], tensor(*targets)[None]
    pinball = reference.quantile_value_loss(theta, z).item()
    rounded = reference.quantile_huber_value_loss(theta, z, 1.0).item()
    assert pinball == pytest.approx(scalar_quantile_loss(quantiles, targets, 0.0), rel=1e-10, abs=1e-10)
    assert rounded == pytest.approx(scalar_quantile_loss(quantiles, targets, 1.0), rel=1e-10, abs=1e-10)


def test_the_pinball_loss_is_least_at_the_empirical_quantiles():
    samples = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 999)))
    best = samples[0].quantile(reference.quantile_midpoints(4, samples))
    loss = lambda theta: reference.quantile_value_loss(theta[None], samples).item()
    for i in range(4):
        for step in (-0.05, 0.05):
            moved = best.clone()
            moved[i] += step
            assert loss(best) < loss(moved)


def test_a_small_kappa_makes_the_huber_quantile_loss_the_pinball_loss():
    theta, z = tensor(0.0, 1.0, 5.0)[None], tensor(2.0, -3.0)[None]
    near = reference.quantile_huber_value_loss(theta, z, 1e-9)
    assert near.item() == pytest.approx(reference.quantile_value_loss(theta, z).item(), abs=1e-7)


def test_quantile_targets_of_another_batch_size_are_refused():
    with pytest.raises(ValueError, match=r"`quantiles` \(2,\), `targets` \(3,\)"):
        reference.quantile_value_loss(torch.ones(2, 5), torch.ones(3, 1))


@pytest.mark.parametrize("alpha", [0.05, 0.25, 0.3, 0.5, 0.99, 1.0])
def test_cvar_is_the_integral_of_the_worst_quantiles(alpha):
    quantiles = np.array([3.0, -1.0, 7.0, 0.5])
    levels = (np.arange(400_000) + 0.5) / 400_000 * alpha
    expected = np.sort(quantiles)[np.floor(levels * 4).astype(int)].mean()
    assert reference.cvar(tensor(*quantiles)[None], alpha).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_a_cvar_level_outside_its_range_is_refused(alpha):
    with pytest.raises(ValueError, match=r"`alpha` in \(0, 1\]"):
        reference.cvar(torch.ones(1, 3), alpha)


def test_explained_variance_is_one_for_the_truth_zero_for_a_constant_and_zero_where_nothing_varies():
    returns = tensor(1.0, 2.0, 6.0)
    assert reference.explained_variance(returns, returns).item() == 1.0
    assert reference.explained_variance(torch.zeros_like(returns), returns).item() == pytest.approx(0.0)
    assert reference.explained_variance(-returns, returns).item() == pytest.approx(-3.0)
    assert reference.explained_variance(returns, torch.ones_like(returns)).item() == 0.0
