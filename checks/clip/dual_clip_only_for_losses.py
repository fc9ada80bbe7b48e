"""The dual clip bounds losses only, and beyond the clip.

Property.  With a bound c A on the surrogate: c > 1 + eps; samples with A > 0 are as without it, g = -A r below 1 + eps;
           samples with A < 0 have a gradient up to r = c and none beyond.
Why.       The bound is for one case: a bad action that became very likely. Applied to gains, or with c below 1, it
           stops the gradient of ordinary samples at ratio 1. Ye et al. 2020, arXiv:1912.09729, eq. 3.
Applies.   Losses that compare the surrogate with one constant times the advantage.
Tested.    A = +1 from ratio 0.37 to just below 1 + eps; A = -1 from 1 to 0.98 c, and at 1.02 c; against -A r times the
           measured gradient.
Severity.  Serious: half of the samples, or all of one sign, train on nothing.
Fix.       torch.where(A < 0, torch.max(torch.min(r A, clip(r) A), c A), torch.min(r A, clip(r) A)) with c = 3.
"""

import math

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.clip import dual_bound

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
    ratio, advantage, want = cases(bound.c, high, math.exp(subject.profile.reach))
    got = subject.policy(ratio.log(), advantage)
    return worst(
        Violation(
            f"The dual clip, at {bound.c:.3g} times the advantage, stops samples that it should leave alone.",
            evidence={"bound": bound.c, "clip_bound": high},
            site="surrogate",
            explains=("PPO102", "PPO103", "PPO104"),
            place=bound.place,
        ),
        unless=(got - scale * want).abs() <= 1e3 * subject.tolerance * scale * (want.abs() + 1),
        ratio=ratio,
        advantage=advantage,
        got=got,
        want=scale * want,
    )


def cases(bound: float, high: float, reach: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ratios, advantages and gradients in units of that at ratio 1: gains below the clip, losses around the bound."""
    top = max(min(0.98 * bound, reach), 1.05 * high)
    ratio = torch.cat([torch.linspace(0.37, 0.99 * high, 16), torch.linspace(1.0, top, 16)]).double()
    advantage = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat_interleave(16)
    beyond = torch.tensor([1.02 * bound] if high < bound < reach / 1.02 else [], dtype=torch.float64)
    columns = (ratio, advantage, -advantage * ratio), (beyond, -torch.ones_like(beyond), 0 * beyond)
    first, second, third = (torch.cat(column) for column in zip(*columns, strict=True))
    return first, second, third
