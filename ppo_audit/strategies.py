"""Hypothesis strategies for PPO and GRPO batches, for tests of your own.

    from hypothesis import given
    from ppo_audit.strategies import ppo_batches

    @given(ppo_batches())
    def test_my_loss_is_finite(batch):
        assert my_loss(batch["log_prob"], batch["old_log_prob"], batch["advantage"]).isfinite()

Drawn are shape, regime and seed, never tensors element by element: that is a thousand times faster, and the shrunk case
names the smallest shape and the plainest regime that fail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from hypothesis import strategies as st

REGIMES: Mapping[str, tuple[float, float]] = {
    "first update": (0.0, 1.0),
    "within the clip": (0.1, 1.0),
    "beyond the clip": (1.0, 1.0),
    "far off": (20.0, 1.0),
    "large advantages": (0.1, 1e3),
    "zero advantages": (0.1, 0.0),
}
"""Spread of the log-ratio and scale of the advantage of each regime, the plainest first."""


@st.composite
def ppo_batches(
    draw: st.DrawFn,
    *,
    max_rows: int = 64,
    dtype: torch.dtype = torch.float64,
    regimes: Mapping[str, tuple[float, float]] = REGIMES,
) -> dict[str, torch.Tensor]:
    """Flat batches: every role of PPO as (N,), N <= `max_rows`; `log_prob`, `value` and `entropy` need gradients."""
    rows = draw(st.integers(1, max_rows))
    spread, scale = regimes[draw(st.sampled_from(list(regimes)))]
    normal = _normal(draw(st.integers(0, 2**16)), dtype)
    old_log_prob, old_value = -1.5 + 0.3 * normal(rows), normal(rows)
    return {
        "log_prob": (old_log_prob + spread * normal(rows)).requires_grad_(),
        "old_log_prob": old_log_prob,
        "advantage": scale * normal(rows),
        "value": (old_value + 0.1 * normal(rows)).requires_grad_(),
        "old_value": old_value,
        "return_": normal(rows),
        "entropy": (1.2 + 0.1 * normal(rows)).requires_grad_(),
    }


@st.composite
def grpo_batches(
    draw: st.DrawFn, *, max_groups: int = 4, max_size: int = 6, max_tokens: int = 12, dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    """Token batches: (B, T) log-probs and a ragged `mask`, rewards (B,) and `group` ids (B,); B is groups times size.

    Every sequence keeps at least one token; masked entries hold log-probs like any other.
    """
    groups, size = draw(st.integers(1, max_groups)), draw(st.integers(1, max_size))
    tokens = draw(st.integers(1, max_tokens))
    spread, _ = REGIMES[draw(st.sampled_from(list(REGIMES)))]
    seed = draw(st.integers(0, 2**16))
    normal, rows = _normal(seed, dtype), groups * size
    lengths = torch.randint(1, tokens + 1, (rows,), generator=torch.Generator().manual_seed(seed))
    old_log_prob = -1.5 + 0.3 * normal(rows, tokens)
    return {
        "log_prob": (old_log_prob + spread * normal(rows, tokens)).requires_grad_(),
        "old_log_prob": old_log_prob,
        "ref_log_prob": old_log_prob + 0.1 * normal(rows, tokens),
        "reward": normal(rows),
        "group": torch.arange(groups).repeat_interleave(size),
        "mask": (torch.arange(tokens) < lengths[:, None]).to(dtype),
    }


def _normal(seed: int, dtype: torch.dtype) -> Callable[..., torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
