"""From values per sample or token to one number. Masked entries may hold anything, NaN included: they are not read."""

from __future__ import annotations

import torch
from torch import Tensor

from ppo_audit.reference.shapes import require_bool, require_equal_shapes, require_floating, require_rank


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over valid entries; 0 where there is none.

    Σ_i m_i x_i / max(Σ_i m_i, 1)

    The "token mean" of DAPO (arXiv:2503.14476), equation 12. Shapes: any, equal, mask boolean; result a scalar.
    """
    require_equal_shapes(x=x, mask=mask)
    require_floating(x=x)
    require_bool(mask=mask)
    # `where`, not a product: 0 · NaN is NaN
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)


def masked_sequence_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over sequences of the mean over their valid tokens.

    (1/N) Σ_i (1/max(|y_i|, 1)) Σ_t m_it x_it

    GRPO (arXiv:2402.03300), equation 3. Shapes: [N, T] each, mask boolean; result a scalar.
    """
    require_rank(2, x=x)
    require_equal_shapes(x=x, mask=mask)
    require_floating(x=x)
    require_bool(mask=mask)
    return (torch.where(mask, x, 0.0).sum(1) / mask.sum(1).clamp(min=1)).mean()


def masked_constant_mean(x: Tensor, mask: Tensor, length: int) -> Tensor:
    """The sum over valid tokens divided by a constant length, so that long answers are not discounted.

    (1/N) Σ_i (1/L) Σ_t m_it x_it

    Dr. GRPO (arXiv:2503.20783), section 3.2. Shapes: [N, T] each, mask boolean; result a scalar.
    """
    require_rank(2, x=x)
    require_equal_shapes(x=x, mask=mask)
    require_floating(x=x)
    require_bool(mask=mask)
    return (torch.where(mask, x, 0.0).sum(1) / length).mean()
