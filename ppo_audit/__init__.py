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
    "Returns": "helpers.returns",
    "Rollout": "helpers.rollout",
    "ENDS": "helpers.returns",
    "rewards_to_go": "helpers.returns",
    "true_advantage": "helpers.returns",
    "TargetRaised": "errors",
    "Batch": "subjects.batch",
    "Direct": "subjects.direct",
    "Observation": "subjects.direct",
    "Run": "subjects.run",
    "Credit": "helpers.credit",
    "Controller": "helpers.controller",
    "LogProb": "helpers.log_prob",
    "ClipFraction": "helpers.metric",
    "audit": "api",
    "record": "trainer",
    "assert_conforms": "api",
    "parametrize_with_checks": "pytest_plugin",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module `ppo_audit` has no attribute `{name}`; it offers {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"ppo_audit.{_HOMES[name]}"), name)
