"""The number that stops the epochs is a KL, and not minus one.

Property.  A scalar of the update by the name of a KL, which the code holds against a bound, is never minus the first
           estimate of it: mean(log pi_old - log pi_new) over the minibatch, or one that agrees to second order.
Why.       Stopping at 1.5 times a target KL is what keeps many epochs on the same data safe: Schulman et al. 2017,
           arXiv:1707.06347, section 4. Minus the KL falls as the policy drifts away, so that the bound is never
           reached, and what is logged as a KL says the contrary of what happens.
Applies.   Trainers that compare such a scalar with a bound, and have computed it by the time of the backward pass, at
           minibatches whose ratio has moved. When the stop comes, and how many loops it leaves, is the trainer's own
           design and not judged; a number that is neither the KL nor minus it says nothing.
Tested.    The scalar at every recorded minibatch, against the mean of log pi_new - log pi_old that was recorded there.
Severity.  Serious: the stop never fires, and the metric misleads.
Fix.       approx_kl = ((ratio - 1) - log_ratio).mean(), with log_ratio = log pi_new - log pi_old, before the bound.
"""

from collections.abc import Sequence

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import assigned_at, drifts_of, loop_of, uses

RULE = Rule(
    code="PPO905",
    name="kl-stop",
    family="trainer",
    severity=Severity.SERIOUS,
    kinds=("trainer",),
    needs=("loop",),
)
MOVED = 1e-4
"""The mean log-ratio from which on a minibatch tells a KL from minus one."""


def check(subject: Subject) -> Violation | None:
    signs: dict[str, list[int]] = {}
    seen = {}
    for minibatch in uses(loop_of(subject)):
        named = [each for each in minibatch.watched if "kl" in each.name.lower()]
        drifts = drifts_of(subject, minibatch) if named else ()
        for watched in named:
            seen[watched.name] = watched
            signs.setdefault(watched.name, []).append(sign(watched.value, drifts))
    told = {name: found for name, found in signs.items() if any(found)}
    if not told:
        raise NotApplicable("no scalar by the name of a KL is held against a bound, and is one or minus one")
    wrong = next((name for name, found in told.items() if -1 in found and 1 not in found), None)
    if wrong is None:
        return None
    return Violation(
        f"`{wrong}` is minus the KL: however far the policy drifts, it stays below its bound.",
        counterexample={"name": wrong, "got": seen[wrong].value, "want": -seen[wrong].value},
        signature="kl stop",
        place=assigned_at(seen[wrong]),
    )


def sign(value: float, drifts: Sequence[torch.Tensor]) -> int:
    """1 for an estimate of the KL from log-ratios, -1 for minus the first estimate, 0 for neither or too near zero."""
    for drift in drifts:
        first = -drift.mean()
        if abs(float(first)) < MOVED:
            continue
        estimates = torch.stack([first, (drift.exp() - 1 - drift).mean(), (drift**2).mean() / 2])
        if bool(((estimates - value).abs() <= 1e-3 * estimates.abs()).any()):
            return 1
        if abs(float(first) + value) <= 1e-3 * abs(float(first)):
            return -1
    return 0
