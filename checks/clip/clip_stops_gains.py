"""A gain that the clip has banked gets no more gradient.

Property.  r = exp(log_prob - old_log_prob), g = d loss / d log_prob of the policy term; beyond the clip bounds
             A > 0 and r > 1 + eps_high  =>  g = 0
             A < 0 and r < 1 - eps_low   =>  g = 0
Why.       L = -mean(min(r A, clip(r, 1 - eps, 1 + eps) A)): past the bound the clipped branch, a constant, is the
           smaller one. A loss that still pushes there has no trust region: repeated epochs on one batch run away.
           Schulman et al. 2017, arXiv:1707.06347, eq. 7 and figure 1.
Applies.   Losses that claim a hard clip: they take a clip range, clamp the ratio, or compare two surrogates. Not CISPO,
           SAPO, rollback clips, A2C.
Tested.    One batch lays 512 ratios x 64 advantages on each flat side (32 x 4 where rows are dear), 1 % clear of the
           kink, up to the reach of rules 102 to 107; one backward pass gives every gradient. The advantage is the
           effective one, after normalisation.
Severity.  Critical: the trust region is missing, on one side or both.
Fix.       Take the elementwise minimum of the unclipped and the clipped product, then reduce, then negate.
"""

import math

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.clip import twin_branches

RULE = Rule(
    code="PPO102",
    name="clip-stops-gains",
    family="clip",
    severity=Severity.CRITICAL,
    needs=("policy", "hard_clip"),
    must_flag=("max_for_min", "no_clip", "clip_upper_side_only", "clip_lower_side_only", "clip_lost_in_a_closure"),
)


def check(subject: Subject) -> Violation | None:
    twins = twin_branches(subject)
    if twins is not None:
        return Violation(
            "Both branches of the minimum are one and the same: nothing is clipped.",
            counterexample={"ratio": 1.5, "advantage": 1.0, "got": "a gradient", "want": 0.0},
            site="surrogate",
            place=twins.place,
        )
    log_ratio, advantage = flat_sides(subject)
    gradient = subject.policy(log_ratio, advantage)
    return worst(
        Violation("A gain that lies beyond the clip range still has a gradient.", site=_site(subject)),
        unless=gradient == 0,
        ratio=log_ratio.exp(),
        advantage=advantage,
        got=gradient,
        want=0.0,
    )


def _site(subject: Subject) -> str:
    """What bounds the ratio, or its product, where it acts on one side alone; else the choice between the branches."""
    is_one_sided = (subject.profile.clip[0] is None) != (subject.profile.clip[1] is None)
    makers = [site for site in ("clip", "bound") if site in subject.anatomy.sites]
    return makers[0] if is_one_sided and makers else "surrogate"


def flat_sides(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-ratios and advantages, both (M,), on the two sides where the clip is flat."""
    low, high = (math.log(bound) for bound in subject.profile.bounds)
    ratios, gains = 32 * subject.fineness, 4 * subject.fineness
    up = torch.linspace(1.01 * high, max(subject.profile.reach, 1.02 * high), ratios, dtype=torch.float64)
    down = torch.linspace(min(-subject.profile.reach, 1.02 * low), 1.01 * low, ratios, dtype=torch.float64)
    gain = torch.logspace(-2, 1, gains, dtype=torch.float64)
    ups, downs = torch.cartesian_prod(up, gain), torch.cartesian_prod(down, -gain)
    return torch.cat([ups[:, 0], downs[:, 0]]), torch.cat([ups[:, 1], downs[:, 1]])
