"""Old log-probs, advantages and value targets of a sample are the same numbers in every epoch.

Property.  When a sample comes back in a later epoch, its old log-prob, advantage, old value and return are what they
           were, however the policy and the critic have changed since.
Why.       They belong to the rollout: Schulman et al. 2017, arXiv:1707.06347, algorithm 1, fixes them before the first
           epoch. A buffer that is normalised in place each time it is read drifts from epoch to epoch; old log-probs
           that are refreshed between epochs let the policy walk away from the data step by step, each within its clip.
           Advantages that are recomputed by the newer critic are a design of their own (arXiv:2006.05990, section 3.5)
           and pass.
Applies.   Trainers that use samples again, as far as the recording reached.
Tested.    Every role that is data, at every later use of the samples of the first epoch. Values that change are a fault
           where all of them change by one shift and scale, or where a log-prob became that of the current policy.
Severity.  Serious: later epochs optimise another objective than the first.
Fix.       Normalise a copy (`adv = (adv - adv.mean()) / (adv.std() + eps)`), once, outside the loop over epochs.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import Reuse, log_ratio, loop_of, made_at_later, reuses, rewritten_at

RULE = Rule(
    code="PPO903",
    name="targets-stay-put",
    family="trainer",
    severity=Severity.SERIOUS,
    kinds=("trainer",),
    needs=("loop",),
)
SAME = 1e-4
ENOUGH = 5
"""Samples that tell a shift and scale from chance."""


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    for role in ("old_log_prob", "advantage", "return_", "old_value"):
        for reuse in reuses(loop):
            if not reuse.has(role) or len(reuse.rows) < ENOUGH:
                continue
            then, later = (values.flatten() for values in reuse.of(role))
            change = (then - later).abs()
            if bool((change <= SAME * (1 + then.abs())).all()) or not _is_fault(role, reuse, then, later):
                continue
            row = int(change.argmax())
            return Violation(
                f"The {NAMES[role]} of a sample is another one in a later epoch.",
                counterexample={"sample": row, "first_use": float(then[row]), "later_use": float(later[row])},
                evidence={"changed_samples": int((change > SAME).sum()), "compared_samples": len(then)},
                signature=f"changed {role}",
                place=rewritten_at(loop, role) or made_at_later(subject, role),
            )
    return None


NAMES = {
    "old_log_prob": "old log-prob",
    "advantage": "advantage",
    "return_": "value target",
    "old_value": "old value",
}


def _is_fault(role: str, reuse: Reuse, then: torch.Tensor, later: torch.Tensor) -> bool:
    if role == "old_log_prob":
        return bool((log_ratio(reuse.later).abs() <= 1e-6).all())
    return _is_rescaled(then, later)


def _is_rescaled(then: torch.Tensor, later: torch.Tensor) -> bool:
    """Whether one shift and scale takes the one to the other."""
    design = torch.stack([then, torch.ones_like(then)], dim=1)
    fit = torch.linalg.lstsq(design, later).solution
    spread = float(then.std()) + float(later.std())
    return bool(((design @ fit - later).abs() <= SAME * spread).all()) and float(fit[0]) > 0
