"""What the first lines of the reference functions refuse, and how they say it."""

from __future__ import annotations

import pytest
import torch

from ppo_audit.reference import shapes


def test_equal_shapes_pass_and_unequal_ones_are_named():
    shapes.require_equal_shapes(a=torch.ones(2), b=torch.zeros(2))
    with pytest.raises(ValueError, match=r"expected equal shapes, got `a` \(2,\), `b` \(2, 1\), `c` \(2,\)"):
        shapes.require_equal_shapes(a=torch.ones(2), b=torch.ones(2, 1), c=torch.ones(2))


@pytest.mark.parametrize(
    ("check", "tensor", "message"),
    [
        (lambda x: shapes.require_rank(1, x=x), torch.ones(2, 1), r"`x` of rank 1, got rank 2 with shape \(2, 1\)"),
        (lambda x: shapes.require_rank_at_least(1, x=x), torch.ones(()), r"`x` of rank 1 or more, got rank 0"),
        (lambda x: shapes.require_floating(x=x), torch.ones(2).int(), "`x` of a floating dtype, got torch.int32"),
        (lambda x: shapes.require_bool(x=x), torch.ones(2), r"`x` of dtype torch.bool, got torch.float32"),
        (lambda x: shapes.require_integer(x=x), torch.ones(2), "`x` of an integer dtype, got torch.float32"),
        (lambda x: shapes.require_integer(x=x), torch.ones(2).bool(), "`x` of an integer dtype, got torch.bool"),
    ],
)
def test_a_wrong_rank_or_dtype_is_told_with_what_was_expected(check, tensor, message):
    with pytest.raises(ValueError, match=message):
        check(tensor)
