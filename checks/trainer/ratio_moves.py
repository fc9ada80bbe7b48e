"""Once the policy has been changed, the ratio of samples that are used again is no longer one.

Property.  When samples come back after a step that changed their log-probs, their ratio compares the new policy with
           the one that acted: it is not 1 for all of them.
Why.       Several epochs over one rollout are what PPO is for, and the ratio, with its clip, is what makes them sound:
           Schulman et al. 2017, arXiv:1707.06347, algorithm 1. Where the old log-prob is computed anew by the current
           policy, the ratio stays at 1, nothing is ever clipped, and each epoch is a policy gradient on stale data.
           That the ratio is 1 at the first use of a sample is right.
Applies.   Trainers that use samples again, as far as the recording reached.
Tested.    Every later use of the samples of the first epoch, at least one step later.
Severity.  Serious: the trust region is switched off, and no logged number but a clip fraction of 0 shows it.
Fix.       Compute the old log-probs once, when the actions are drawn, and store them.
"""

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import log_ratio, loop_of, made_at_later, reuses

RULE = Rule(
    code="PPO902",
    name="ratio-moves",
    family="trainer",
    severity=Severity.SERIOUS,
    kinds=("trainer",),
    needs=("loop",),
)
STILL = 1e-6


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    again = reuses(loop)
    moves = [float((one - two).abs().max()) for one, two in (reuse.of("log_prob") for reuse in again)]
    if max(moves) <= 100 * STILL:
        raise NotApplicable("no log-prob changed between the uses of a sample")
    if any(bool((log_ratio(reuse.later).abs() > STILL).any()) for reuse in again):
        return None
    (then, later), (_, old) = again[-1].of("log_prob"), again[-1].of("old_log_prob")
    return Violation(
        "The ratio of every sample is 1 however often it is used: the old log-prob follows the policy.",
        counterexample={
            "first_log_prob": float(then.flatten()[0]),
            "later_log_prob": float(later.flatten()[0]),
            "later_old_log_prob": float(old.flatten()[0]),
        },
        evidence={"largest_change_of_a_log_prob": max(moves), "reused_samples": len(again[-1].rows)},
        signature="frozen ratio",
        explains=("PPO903",),
        place=made_at_later(subject, "old_log_prob"),
    )
