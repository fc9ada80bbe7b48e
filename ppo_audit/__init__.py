"""Audit other people's PPO and GRPO: see ARCHITECTURE.md. Public names load on first use, so that start-up is fast."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Confidence": "findings",
    "Finding": "findings",
    "Location": "findings",
    "Report": "findings",
    "Severity": "findings",
    "Violation": "findings",
    "Rule": "rules",
    "NotApplicable": "errors",
    "Subject": "subjects.subject",
    "worst": "subjects.worst",
    "LIMITS": "thresholds",
    "branches": "subjects.probes",
    "clipped_quantiles": "subjects.probes",
    "clipped_value": "subjects.probes",
    "kl_cases": "subjects.kl_probes",
    "kl_exact": "subjects.kl_probes",
    "kl_values": "subjects.kl_probes",
    "normaliser": "subjects.probes",
    "term_gradient": "subjects.probes",
    "term_roles": "subjects.probes",
    "with_action_dimensions": "subjects.probes",
    "effects": "subjects.options",
    "option": "subjects.options",
    "options": "subjects.options",
    "doubly_played": "subjects.options",
    "joining": "subjects.places",
    "subtracting": "subjects.places",
    "reducing": "subjects.places",
    "estimate": "subjects.places",
    "recorded": "subjects.places",
    "place_of": "subjects.places",
    "slice_of": "subjects.places",
    "reads": "subjects.places",
    "parts_of": "subjects.places",
    "Option": "subjects.options",
    "left_changed": "subjects.global_state",
    "suspect": "subjects.places",
    "Returns": "subjects.returns",
    "Rollout": "subjects.rollout",
    "ENDS": "subjects.returns",
    "rewards_to_go": "subjects.returns",
    "true_advantage": "subjects.returns",
    "bellman_consistent": "subjects.returns_probes",
    "mixes_environments": "subjects.returns_probes",
    "rollout_columns": "subjects.returns_probes",
    "scale_error": "subjects.returns_probes",
    "takes_flags_inverted": "subjects.returns_probes",
    "td_errors_of": "subjects.returns_probes",
    "time_limits": "subjects.returns_probes",
    "with_next_episode": "subjects.returns_probes",
    "recorded_site": "subjects.places",
    "ratios": "subjects.clip_probes",
    "ratio_maker": "subjects.clip_probes",
    "policy_clamps": "subjects.clip_probes",
    "dual_bound": "subjects.clip_probes",
    "counted": "subjects.metrics",
    "masked_log_ratios": "subjects.metrics",
    "capped_weight": "subjects.sequence_probes",
    "sequence_ratio": "subjects.sequence_probes",
    "lengthened": "subjects.padding",
    "longer_parting": "subjects.padding",
    "with_empty_rows": "subjects.padding",
    "gradients_of": "subjects.reduction_probes",
    "constant_divisor": "subjects.reduction_probes",
    "data_reads": "subjects.reduction_probes",
    "squeezes": "subjects.reduction_probes",
    "TargetRaised": "errors",
    "divides_by_spread": "subjects.reduction_probes",
    "audit": "api",
    "assert_conforms": "api",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `ppo_audit` has no attribute `{name}`; it offers {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"ppo_audit.{_HOMES[name]}"), name)
