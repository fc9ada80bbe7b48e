"""Closed forms against scipy, quadrature and torch's own distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from ppo_audit import reference

logit_lists = st.lists(st.floats(-8.0, 8.0), min_size=2, max_size=5)
means = st.floats(-2.0, 2.0)
log_stds = st.floats(-1.0, 1.0)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def probabilities(logits: list[float]) -> np.ndarray:
    weights = np.exp(np.array(logits) - max(logits))
    return weights / weights.sum()


@given(logit_lists)
def test_the_categorical_entropy_equals_scipys_and_lies_between_zero_and_log_k(logits):
    entropy = reference.categorical_entropy(tensor(*logits)).item()
    assert entropy == pytest.approx(scipy.stats.entropy(probabilities(logits)), abs=1e-12)
    assert -1e-12 <= entropy <= math.log(len(logits)) + 1e-12


@given(
    logit_lists.flatmap(lambda p: st.tuples(st.just(p), st.lists(st.floats(-8, 8), min_size=len(p), max_size=len(p))))
)
def test_the_categorical_kl_equals_scipys_relative_entropy(pair):
    p, q = pair
    expected = scipy.stats.entropy(probabilities(p), probabilities(q))
    assert reference.categorical_kl(tensor(*p), tensor(*q)).item() == pytest.approx(expected, abs=1e-10)


def test_the_categorical_log_probs_of_all_actions_sum_to_one():
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = sum(reference.categorical_log_prob(logits, torch.full((7,), a)).exp() for a in range(5))
    assert torch.allclose(total, torch.ones(7, dtype=torch.float64))


def test_forbidden_actions_have_no_entropy_no_kl_and_no_gradient():
    allowed, full = tensor(0.3, -0.2), tensor(0.3, -0.2, -math.inf).requires_grad_()
    entropy = reference.categorical_entropy(full)
    kl = reference.categorical_kl(full, tensor(0.0, 0.5, -math.inf))
    (gradient,) = torch.autograd.grad(entropy + kl, full)
    assert entropy.item() == pytest.approx(reference.categorical_entropy(allowed).item())
    assert kl.item() == pytest.approx(reference.categorical_kl(allowed, tensor(0.0, 0.5)).item())
    assert gradient[2].item() == 0.0
    assert gradient.isfinite().all()


def test_the_categorical_kl_is_infinite_where_q_forbids_what_p_allows():
    assert reference.categorical_kl(tensor(0.0, 0.0), tensor(0.0, -math.inf)).item() == math.inf


@given(st.lists(st.tuples(means, means, log_stds), min_size=1, max_size=4))
def test_the_gaussian_log_prob_is_the_sum_of_scipys_over_dimensions(dimensions):
    action, mean, log_std = (tensor(*column) for column in zip(*dimensions, strict=True))
    expected = sum(scipy.stats.norm.logpdf(a, m, math.exp(s)) for a, m, s in dimensions)
    assert reference.gaussian_log_prob(action, mean, log_std).item() == pytest.approx(expected, abs=1e-10)


@given(st.lists(log_stds, min_size=1, max_size=4))
def test_the_gaussian_entropy_is_the_sum_of_scipys_over_dimensions(stds):
    expected = sum(scipy.stats.norm.entropy(scale=math.exp(s)) for s in stds)
    assert reference.gaussian_entropy(tensor(*stds)).item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("m1", "s1", "m2", "s2"), [(0, 0, 0, math.log(2)), (1, 0.3, -0.5, -0.2), (0, 0, 3, 0)])
def test_the_gaussian_kl_equals_its_integral(m1, s1, m2, s2):
    p, q = scipy.stats.norm(m1, math.exp(s1)), scipy.stats.norm(m2, math.exp(s2))
    expected, _ = scipy.integrate.quad(lambda a: p.pdf(a) * (p.logpdf(a) - q.logpdf(a)), m1 - 15, m1 + 15)
    got = reference.gaussian_kl(tensor(m1), tensor(s1), tensor(m2), tensor(s2))
    assert got.item() == pytest.approx(expected, rel=1e-6)


def test_the_gaussian_kl_of_the_worked_example_is_0_318():
    got = reference.gaussian_kl(tensor(0.0), tensor(0.0), tensor(0.0), tensor(math.log(2.0)))
    assert got.item() == pytest.approx(0.318, abs=5e-4)


def test_kls_of_a_distribution_from_itself_are_exactly_zero_in_float32():
    generator = torch.Generator().manual_seed(0)
    mean, log_std = torch.randn(9, 3, generator=generator), torch.randn(9, 3, generator=generator)
    assert torch.equal(reference.gaussian_kl(mean, log_std, mean, log_std), torch.zeros(9))
    assert torch.equal(reference.categorical_kl(mean, mean), torch.zeros(9))


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (1.5, -0.5), (-0.7, 0.4)])
def test_the_squashed_density_integrates_to_one_over_actions(mean, log_std):
    def density(action: float) -> float:
        u = tensor(math.atanh(action))
        return reference.squashed_gaussian_log_prob(u, tensor(mean), tensor(log_std)).exp().item()

    total, _ = scipy.integrate.quad(density, -1 + 1e-12, 1 - 1e-12, limit=200, points=[-0.99, 0.99])
    assert total == pytest.approx(1.0, abs=1e-4)


def test_the_squashed_correction_does_not_overflow_or_cancel_far_out():
    u = tensor(30.0)
    exact = -0.5 * 30.0**2 - 0.5 * math.log(2 * math.pi) - (math.log(4.0) - 2 * 30.0)
    assert reference.squashed_gaussian_log_prob(u, tensor(0.0), tensor(0.0)).item() == pytest.approx(exact)


def test_a_shared_log_std_that_was_not_expanded_is_refused():
    with pytest.raises(ValueError, match=r"`mean` \(4, 2\), `log_std` \(2,\)"):
        reference.gaussian_log_prob(torch.zeros(4, 2), torch.zeros(4, 2), torch.zeros(2))


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (1.5, -0.5), (-0.7, 0.4), (0.0, -3.0)])
def test_the_squashed_entropy_equals_its_integral(mean, log_std):
    normal = scipy.stats.norm(mean, math.exp(log_std))
    slope = lambda u: 2.0 * (math.log(2.0) - u - np.logaddexp(0.0, -2.0 * u))
    spread = 10 * math.exp(log_std)
    correction, _ = scipy.integrate.quad(lambda u: normal.pdf(u) * slope(u), mean - spread, mean + spread, limit=200)
    got = reference.squashed_gaussian_entropy(tensor(mean), tensor(log_std)).item()
    assert got == pytest.approx(normal.entropy() + correction, abs=2e-3)
