"""Reductions against loops, with garbage under the mask."""

from __future__ import annotations

import math

import pytest
import torch

from ppo_audit import reference

X = torch.tensor([[1.0, 2.0, math.nan], [5.0, math.inf, math.nan]])
MASK = torch.tensor([[True, True, False], [True, False, False]])


def test_the_token_mean_weighs_every_valid_token_alike():
    assert reference.masked_mean(X, MASK).item() == pytest.approx(8.0 / 3.0)


def test_the_sequence_mean_weighs_every_sequence_alike():
    assert reference.masked_sequence_mean(X, MASK).item() == pytest.approx((1.5 + 5.0) / 2.0)


def test_the_constant_mean_divides_by_the_given_length():
    assert reference.masked_constant_mean(X, MASK, 4).item() == pytest.approx((3.0 + 5.0) / 4.0 / 2.0)


@pytest.mark.parametrize("reduce", [reference.masked_mean, reference.masked_sequence_mean])
def test_a_batch_that_is_all_padding_gives_zero_with_zero_gradient(reduce):
    x = torch.full((2, 3), 7.0, requires_grad=True)
    result = reduce(x, torch.zeros(2, 3, dtype=torch.bool))
    result.backward()
    assert result.item() == 0.0
    assert torch.equal(x.grad, torch.zeros(2, 3))


def test_nan_under_the_mask_gives_no_nan_gradient():
    x = X.clone().requires_grad_()
    reference.masked_mean(x, MASK).backward()
    assert torch.equal(x.grad, MASK / 3.0)


def test_a_mask_of_numbers_is_refused():
    with pytest.raises(ValueError, match=r"`mask` of dtype torch.bool, got torch.float32; convert it with `.bool\(\)`"):
        reference.masked_mean(X, MASK.float())
