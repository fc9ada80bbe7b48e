"""Normalisations and group-relative advantages against numpy and scalar loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppo_audit import reference

rewards = st.integers(2, 6).flatmap(
    lambda g: st.lists(st.lists(st.floats(-5, 5), min_size=g, max_size=g), min_size=1, max_size=3)
)


def tensor(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


ONE_ARGUMENT = [reference.normalise_batch, reference.normalise_robust]


def test_batch_normalisation_uses_mean_and_sample_deviation():
    a = np.random.default_rng(0).normal(3.0, 5.0, 50)
    got = reference.normalise_batch(torch.from_numpy(a), epsilon=0.0).numpy()
    assert got == pytest.approx((a - a.mean()) / a.std(ddof=1))


@pytest.mark.parametrize("normalise", ONE_ARGUMENT)
def test_normalisation_does_not_see_scale_or_shift(normalise):
    a = torch.randn(33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.allclose(normalise(7.0 * a - 3.0), normalise(a), atol=1e-6)


@pytest.mark.parametrize("normalise", ONE_ARGUMENT)
@pytest.mark.parametrize("values", [[5.0], [2.0, 2.0, 2.0]], ids=["one element", "constant"])
def test_one_element_and_constant_advantages_become_zero(normalise, values):
    assert torch.equal(normalise(tensor(values)), torch.zeros(len(values), dtype=torch.float64))


def test_masked_normalisation_equals_normalising_the_valid_entries_alone():
    a = tensor([[1.0, 4.0, math.nan], [2.0, math.inf, -1.0]])
    mask = torch.tensor([[True, True, False], [True, False, True]])
    got = reference.normalise_masked(a, mask)
    assert torch.allclose(got[mask], reference.normalise_batch(a[mask]))
    assert torch.equal(got[~mask], torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("valid", [0, 1])
def test_masked_normalisation_of_too_few_entries_is_zero(valid):
    mask = torch.arange(3) < valid
    assert torch.equal(reference.normalise_masked(torch.ones(3) * 4.0, mask), torch.zeros(3))


@given(st.lists(st.tuples(st.integers(-2, 2), st.floats(-10, 10)), min_size=1, max_size=12))
def test_group_normalisation_equals_a_loop_over_groups(pairs):
    group, a = torch.tensor([g for g, _ in pairs]), tensor([x for _, x in pairs])
    got = reference.normalise_group(a, group, epsilon=1e-3)
    for g in group.unique():
        alone = reference.normalise_batch(a[group == g], epsilon=1e-3)
        assert torch.allclose(got[group == g], alone, atol=1e-9)


def test_group_normalisation_keeps_signs_that_the_batch_normalisation_of_the_worked_example_flips():
    a = tensor([0.1, 0.2, 0.3, 0.4, 0.5, 5.0, 10.0, 15.0])
    group = torch.tensor([0] * 5 + [1] * 3)
    batch = reference.normalise_batch(a)
    assert (batch[:5] < 0).all()
    assert (batch[5:] > 0).all()
    grouped = reference.normalise_group(a, group)
    assert grouped[:5].round(decimals=6).sign().tolist() == [-1, -1, 0, 1, 1]
    assert (grouped[5], grouped[7]) == (pytest.approx(-1.0), pytest.approx(1.0))


def test_robust_normalisation_uses_scipys_median_deviation_and_ignores_an_outlier():
    a = np.random.default_rng(3).normal(size=101)
    expected = (a - np.median(a)) / scipy.stats.median_abs_deviation(a, scale="normal")
    assert reference.normalise_robust(torch.from_numpy(a)).numpy() == pytest.approx(expected, abs=1e-6)
    wild = np.append(a, 1e9)
    assert reference.normalise_robust(torch.from_numpy(wild))[:-1].abs().max() < 5.0


def test_robust_normalisation_survives_a_majority_of_equal_advantages():
    got = reference.normalise_robust(tensor([0.0, 0.0, 0.0, 0.0, 5.0]))
    assert got.tolist() == pytest.approx([0, 0, 0, 0, 5.0 / math.sqrt(math.pi / 2.0)])


@given(rewards)
def test_group_relative_advantages_equal_scalar_loops(table):
    r = tensor(table)
    grpo, dr, rloo = reference.grpo_advantages(r), reference.dr_grpo_advantages(r), reference.rloo_advantages(r)
    for p, row in enumerate(table):
        for i, own in enumerate(row):
            others = [x for j, x in enumerate(row) if j != i]
            assert dr[p, i].item() == pytest.approx(own - np.mean(row), abs=1e-9)
            assert rloo[p, i].item() == pytest.approx(own - np.mean(others), abs=1e-9)
            deviation = np.std(row, ddof=1)
            assert grpo[p, i].item() == pytest.approx((own - np.mean(row)) / (deviation + 1e-4), abs=1e-6)


@given(rewards)
def test_rloo_is_dr_grpo_scaled_by_g_over_g_minus_one(table):
    r = tensor(table)
    scale = r.shape[1] / (r.shape[1] - 1)
    assert torch.allclose(reference.rloo_advantages(r), reference.dr_grpo_advantages(r) * scale, atol=1e-9)


@pytest.mark.parametrize("correct", [1, 2, 3])
def test_binary_rewards_give_the_published_closed_form(correct):
    size, p = 4, correct / 4
    got = reference.grpo_advantages(tensor([[1.0] * correct + [0.0] * (size - correct)]), epsilon=0.0)[0]
    sample = math.sqrt((size - 1) / size)
    assert got[0].item() == pytest.approx(math.sqrt((1 - p) / p) * sample)
    assert got[-1].item() == pytest.approx(-math.sqrt(p / (1 - p)) * sample)


def test_equal_rewards_and_groups_of_one_give_zero_grpo_advantage():
    assert reference.grpo_advantages(torch.full((2, 4), 0.1)).abs().max() < 1e-3
    assert torch.equal(reference.grpo_advantages(torch.ones(3, 1)), torch.zeros(3, 1))


def test_rloo_with_one_answer_is_refused():
    with pytest.raises(ValueError, match=r"at least 2 answers a prompt, got `reward` of shape \(3, 1\)"):
        reference.rloo_advantages(torch.ones(3, 1))


def test_awr_weights_are_exponentials_up_to_the_cap_without_overflow():
    got = reference.awr_weights(tensor([0.0, 2.0, 3.0, 23.0, 1e6]), temperature=5.0, cap=100.0)
    assert got.tolist() == pytest.approx([1.0, math.exp(0.4), math.exp(0.6), math.exp(4.6), 100.0])
