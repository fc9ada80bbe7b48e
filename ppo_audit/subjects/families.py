"""Which term of the loss a value belongs to, by the roles it is computed from."""

from __future__ import annotations

from ppo_audit.recording.graph import Roles

CREDIT = frozenset(("advantage", "effective_advantage", "reward", "return_"))
DISTRIBUTION = frozenset(
    "mean log_std std logits action old_mean old_log_std old_std old_logits ref_mean ref_log_std".split()
)
PAST = frozenset("old_log_prob old_mean old_log_std old_std old_logits".split())
REFERENCE = frozenset("ref_log_prob ref_mean ref_log_std ref_logits".split())


def family(roles: Roles) -> str:
    """`policy`, `cloning` (credit without old policy), `value`, `tail` (values alone), `entropy`, `kl`, `log_prob`."""
    has_log_prob = bool(roles & {"log_prob", "action"})  # the density of an action, given or computed
    if has_log_prob and roles & CREDIT:
        return "policy" if roles & PAST else "cloning"
    if "value" in roles or {"old_value", "return_"} <= roles:
        return "value" if roles & (CREDIT | {"next_value"}) else "tail"
    if roles & CREDIT and roles & PAST:
        return "policy"  # a surrogate that has lost its new log-prob, and with it its gradient
    if "entropy" in roles:
        return "entropy"
    if "kl" in roles:
        return "kl"
    if roles & (PAST | REFERENCE) and (has_log_prob or roles & DISTRIBUTION - PAST - REFERENCE):
        return "kl"
    if roles & PAST and roles & REFERENCE:
        return "kl"  # a penalty that has lost its new log-prob, and with it its gradient
    if has_log_prob or roles & (PAST | REFERENCE):
        return "log_prob"
    return "entropy" if roles & DISTRIBUTION else "constant"
