"""Where a design becomes worth a warning: every threshold that is a judgement and no mathematics, in one table.

Rules read `subject.limits` and `subject.tolerance`, in which the user's own numbers are in force.
"""

from __future__ import annotations

from types import MappingProxyType

LIMITS: MappingProxyType[str, float] = MappingProxyType(
    {
        "tight_log_ratio_clamp": 1.0,  # a bound below it removes corrections that an ordinary epoch needs
        "flat_weights": 0.9,  # effective share of the samples, above which weights hardly tell them apart
        "capped_weights": 0.05,  # share of the samples at the cap of their weights
        "auxiliary_share_warns": 1.0,  # gradient of an auxiliary term over that of the PPO term
        "auxiliary_share_dominates": 2.0,
    }
)

TOLERANCES: MappingProxyType[str, float] = MappingProxyType(
    {"float64": 1e-9, "float32": 1e-5, "bfloat16": 2e-2, "float16": 2e-3}
)
"""Relative tolerance by the dtype that the target computes in."""
