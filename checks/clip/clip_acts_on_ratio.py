"""The clip acts on the ratio, around one.

Property.  At ratio 1 no clamp of the policy term changes anything, whatever the advantage: clamp(x) = x for every clamp
           through which a log-prob reaches the loss.
Why.       clip(r, 1 - eps, 1 + eps) is the identity near 1. Clipping the product r A holds advantages between 0.8 and
           1.2, and bounds around 0 hold the ratio itself down: both change samples that have not moved at all. Schulman
           et al. 2017, arXiv:1707.06347, eq. 7.
Applies.   Losses with a policy term that clamp something that depends on the log-prob; guards far outside pass.
Tested.    Sixteen samples at ratio 1 with effective advantages from -3 to 3; input and output of every recorded clamp.
Severity.  Serious: the trust region is not where it should be, and most samples lose their gradient at once.
Fix.       Clamp the ratio to 1 - eps and 1 + eps, then multiply by the advantage.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.clip import policy_clamps

RULE = Rule(
    code="PPO107",
    name="clip-acts-on-ratio",
    family="clip",
    severity=Severity.SERIOUS,
    needs=("policy", "role:log_prob"),
    must_flag=("clamp_of_the_product", "clip_around_zero"),
)


def check(subject: Subject) -> Violation | None:
    rows = subject.capacity or 16
    advantage = torch.linspace(-3, 3, rows, dtype=torch.float64)
    run = subject.run(subject.rows(rows, **subject.at(torch.zeros_like(advantage), advantage)))
    clamps = policy_clamps(subject, run)
    if not clamps:
        raise NotApplicable("no log-prob passes a clamp on its way to the loss")
    for clamp in clamps:
        violation = worst(
            Violation(
                "At ratio 1 the clip already changes what it clips.",
                site="clip",
                explains=("PPO102", "PPO103", "PPO104", "PPO106", "PPO204"),
                place=clamp.place,
            ),
            unless=(clamp.after - clamp.before).abs() <= 1e3 * subject.tolerance,
            ratio=1.0,
            advantage=advantage if len(clamp.before) == rows else 1.0,
            got=clamp.after,
            want=clamp.before,
        )
        if violation is not None:
            return violation
    return None
