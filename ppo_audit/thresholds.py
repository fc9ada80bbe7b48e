"""Where a design becomes worth a warning: every threshold that is a judgement and no mathematics, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

LIMITS: Mapping[str, float] = MappingProxyType(
    {
        "tight_log_ratio_clamp": 1.0,  # a bound below it removes corrections that an ordinary epoch needs
        "flat_weights": 0.9,  # effective share of the samples, above which weights hardly tell them apart
        "capped_weights": 0.05,  # share of the samples at the cap of their weights
        "auxiliary_share_warns": 1.0,  # gradient of an auxiliary term over that of the PPO term
        "auxiliary_share_dominates": 2.0,
    }
)
