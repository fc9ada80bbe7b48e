"""The oracle: the mathematics of PPO and GRPO as pure functions that look like the papers, and trainers that learn.

Names load on first use, so that importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    # surrogates: objectives per sample, to be maximised
    "ratio": "surrogates",
    "linear_tail_ratio": "surrogates",
    "sequence_ratio": "surrogates",
    "policy_gradient_surrogate": "surrogates",
    "clipped_surrogate": "surrogates",
    "asymmetric_clipped_surrogate": "surrogates",
    "dual_clip_surrogate": "surrogates",
    "kl_penalty_surrogate": "surrogates",
    "cispo_surrogate": "surrogates",
    "clip_fraction": "surrogates",
    # values: losses per sample, to be minimised
    "value_loss": "values",
    "clipped_value_loss": "values",
    "huber_value_loss": "values",
    "quantile_midpoints": "values",
    "quantile_value_loss": "values",
    "quantile_huber_value_loss": "values",
    "cvar": "values",
    "explained_variance": "values",
    # distributions, in closed form
    "categorical_log_prob": "distributions",
    "categorical_entropy": "distributions",
    "categorical_kl": "distributions",
    "gaussian_log_prob": "distributions",
    "gaussian_entropy": "distributions",
    "gaussian_kl": "distributions",
    "squashed_gaussian_log_prob": "distributions",
    "squashed_gaussian_entropy": "distributions",
    # kl: estimators per sample
    "k1": "kl",
    "k2": "kl",
    "k3": "kl",
    # advantages
    "normalise_batch": "advantages",
    "normalise_masked": "advantages",
    "normalise_group": "advantages",
    "normalise_robust": "advantages",
    "grpo_advantages": "advantages",
    "dr_grpo_advantages": "advantages",
    "rloo_advantages": "advantages",
    "awr_weights": "advantages",
    # returns
    "td_errors": "returns",
    "gae": "returns",
    "td_lambda_returns_forward": "returns",
    "td_lambda_returns_backward": "returns",
    "discounted_returns": "returns",
    # reductions
    "masked_mean": "reductions",
    "masked_sequence_mean": "reductions",
    "masked_constant_mean": "reductions",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `ppo_audit.reference` has no attribute `{name}`; it offers {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"ppo_audit.reference.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
