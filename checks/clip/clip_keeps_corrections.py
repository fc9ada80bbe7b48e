"""The gradient lives where the policy has moved the wrong way.

Property.  r = exp(log_prob - old_log_prob), g = d loss / d log_prob of the policy term; outside the clip on the losing
           side
             A > 0 and r < 1 - eps_low   =>  g = -A r
             A < 0 and r > 1 + eps_high  =>  g = -A r
Why.       The minimum of the two surrogates keeps the worse one, so that a good action which became unlikely, or a bad
           one which became likely, is corrected. The clip alone, or a maximum, gives exactly these samples no gradient.
           Schulman et al. 2017, arXiv:1707.06347, eq. 7 and figure 1.
Applies.   Losses that claim a hard clip. For A < 0 only up to a measured dual-clip bound, which stops there by design.
Tested.    512 ratios x 64 advantages on each losing side (32 x 4 where rows are dear), 1 % clear of the kink, up to the
           reach of rules 102 to 107; compared with -A r times the measured gradient at ratio 1.
Severity.  Critical: the samples that most need correction train on nothing, and nothing crashes.
Fix.       Take the elementwise minimum of the unclipped and the clipped product; the clipped product alone is no bound.
"""

import math

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO103",
    name="clip-keeps-corrections",
    family="clip",
    severity=Severity.CRITICAL,
    needs=("policy", "hard_clip"),
    must_flag=("max_for_min", "clip_without_min", "min_before_advantage"),
)


def check(subject: Subject) -> Violation | None:
    if not subject.profile.scale > 0:
        raise NotApplicable("the policy term has no gradient at ratio 1 (PPO104)")
    log_ratio, advantage = losing_sides(subject)
    gradient = subject.policy(log_ratio, advantage)
    want = -advantage * log_ratio.exp() * subject.profile.scale
    error = (gradient - want).abs()
    return worst(
        Violation(
            "A sample that moved the wrong way beyond the clip range is not corrected.",
            site="surrogate",
            explains=("PPO102",),
        ),
        unless=error <= 1e3 * subject.tolerance * want.abs(),
        ratio=log_ratio.exp(),
        advantage=advantage,
        got=gradient,
        want=want,
    )


def losing_sides(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-ratios and advantages, both (M,), on the two sides where the clip must not act."""
    low, high = (math.log(bound) for bound in subject.profile.bounds)
    reach = subject.profile.reach
    top = min(reach, 0.99 * math.log(subject.profile.dual_clip)) if subject.profile.dual_clip else reach
    if top <= 1.01 * high:
        raise NotApplicable(f"a bound on the loss at ratio {math.exp(top):.3g} leaves no side to correct")
    ratios, sizes = 32 * subject.fineness, 4 * subject.fineness
    up = torch.linspace(1.01 * high, top, ratios, dtype=torch.float64)
    down = torch.linspace(min(-reach, 1.02 * low), 1.01 * low, ratios, dtype=torch.float64)
    size = torch.logspace(-2, 1, sizes, dtype=torch.float64)
    ups, downs = torch.cartesian_prod(up, -size), torch.cartesian_prod(down, size)
    return torch.cat([ups[:, 0], downs[:, 0]]), torch.cat([ups[:, 1], downs[:, 1]])
