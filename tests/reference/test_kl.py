"""The estimators against enumerated expectations and high-precision arithmetic."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ppo_audit import reference

Q = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
P = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
KL_Q_P = float((Q * (Q / P).log()).sum())


@pytest.mark.parametrize("estimator", [reference.k1, reference.k3])
def test_k1_and_k3_equal_the_exact_kl_in_expectation_under_q(estimator):
    assert (Q * estimator(Q.log(), P.log())).sum().item() == pytest.approx(KL_Q_P, abs=1e-14)


def test_k2_is_half_the_squared_log_ratio_and_biased():
    expected = sum(q * 0.5 * math.log(p / q) ** 2 for q, p in zip(Q.tolist(), P.tolist(), strict=True))
    got = (Q * reference.k2(Q.log(), P.log())).sum().item()
    assert got == pytest.approx(expected)
    assert got != pytest.approx(KL_Q_P, rel=1e-2)


def test_k1_can_be_negative_as_in_the_worked_example():
    assert reference.k1(torch.tensor([-2.0]), torch.tensor([-1.0])).item() == -1.0


def test_k2_and_k3_are_never_negative_even_near_zero_in_float32():
    x = torch.from_numpy(np.random.default_rng(0).uniform(-1e-3, 1e-3, 10_000).astype(np.float32))
    for estimator in (reference.k2, reference.k3):
        assert (estimator(torch.zeros_like(x), x) >= 0).all()


@pytest.mark.parametrize("x", [1e-1, -1e-1, 1e-3, -1e-3])
def test_k3_in_float32_agrees_with_float64_near_zero(x):
    single = reference.k3(torch.zeros(1), torch.tensor([x])).item()
    x = float(np.float32(x))
    series = sum(x**n / math.factorial(n) for n in range(2, 8))
    assert single == pytest.approx(series, rel=1e-3)


def test_the_gradient_of_k2_is_that_of_the_reverse_kl_and_k1_has_none():
    logits = torch.tensor([0.4, -0.3, 0.1], dtype=torch.float64, requires_grad=True)
    log_q = torch.log_softmax(logits, 0)
    weights = log_q.exp().detach()  # samples are fixed: the expectation is enumerated, not differentiated
    (exact,) = torch.autograd.grad(reference.categorical_kl(logits, P.log()), logits)
    (of_k2,) = torch.autograd.grad((weights * reference.k2(log_q, P.log())).sum(), logits, retain_graph=True)
    (of_k1,) = torch.autograd.grad((weights * reference.k1(log_q, P.log())).sum(), logits)
    assert torch.allclose(of_k2, exact)
    assert torch.allclose(of_k1, torch.zeros(3, dtype=torch.float64))


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match=r"`log_prob_q` \(3,\), `log_prob_p` \(3, 1\)"):
        reference.k3(torch.zeros(3), torch.zeros(3, 1))
