"""The dual clip bounds losses only, and beyond the clip.

Property.  With a bound c A on the surrogate: c > 1 + eps; samples with A > 0 are as without it, g = -A r below 1 + eps; samples
           with A < 0 have a gradient up to r = c and none beyond.
Why.       The bound is for one case: a bad action that became very likely. Applied to gains, or with c below 1, it stops the
           gradient of ordinary samples at ratio 1. Ye et al. 2020, arXiv:1912.09729, eq. 3.
Applies.   Losses that compare the surrogate with one constant times the advantage.
Tested.    A = +1 from ratio 0.37 to just below 1 + eps; A = -1 from 1 to 0.98 c, and at 1.02 c; against -A r times the
           measured gradient.
Severity.  Serious: half of the samples, or all of one sign, train on nothing.
Fix.       torch.where(A < 0, torch.max(torch.min(r A, clip(r) A), c A), torch.min(r A, clip(r) A)) with c = 3.
"""

import math

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, dual_bound, worst

RULE = Rule(
    code="PPO108",
    name="dual-clip-only-for-losses",
    family="clip",
    severity=Severity.SERIOUS,
    needs=("policy", "hard_clip"),
    must_flag=("dual_clip_for_gains_too", "dual_clip_below_one"),
)


def check(subject: Subject) -> Violation | None:
    bound = dual_bound(subject)
    if bound is None:
        raise NotApplicable("the loss has no dual clip")
    scale, high = subject.profile.scale, subject.profile.bounds[1]
    if not scale > 0:
        raise NotApplicable("the policy term has no gradient at ratio 1 (PPO104)")
    reach = math.exp(subject.profile.reach)
    top = max(min(0.98 * bound.c, reach), 1.05 * high)
    ratio = torch.cat([torch.linspace(0.37, 0.99 * high, 16), torch.linspace(1.0, top, 16)]).double()
    advantage = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(16)
    want = -advantage * ratio * scale
    beyond = torch.tensor([1.02 * bound.c] if high < bound.c < reach / 1.02 else [], dtype=torch.float64)
    ratio, want = torch.cat([ratio, beyond]), torch.cat([want, 0 * beyond])
    advantage = torch.cat([advantage, -torch.ones_like(beyond)])
    got = subject.policy(ratio.log(), advantage)
    return worst(
        Violation(
            f"The dual clip, at {bound.c:.3g} times the advantage, stops samples that it should leave alone.",
            evidence={"bound": bound.c, "clip_bound": high},
            site="surrogate",
            explains=("PPO102", "PPO103", "PPO104"),
            place=bound.place,
        ),
        unless=(got - want).abs() <= 1e3 * subject.tolerance * (want.abs() + scale),
        ratio=ratio,
        advantage=advantage,
        got=got,
        want=want,
    )
