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
    "kl_cases": "subjects.kl_probes",
    "kl_exact": "subjects.kl_probes",
    "kl_values": "subjects.kl_probes",
    "normaliser": "subjects.probes",
    "term_gradient": "subjects.probes",
    "term_roles": "subjects.probes",
    "with_action_dimensions": "subjects.probes",
    "audit": "api",
    "assert_conforms": "api",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `ppo_audit` has no attribute `{name}`; it offers {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"ppo_audit.{_HOMES[name]}"), name)
