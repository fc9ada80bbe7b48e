"""A clamp of the log-ratio takes the gradient from the samples that need correction most.

Property.  With the log-ratio clamped at +-B: for A < 0 and a log-ratio beyond B the gradient is still that of the
           sample, as it is just inside B.
Why.       For A < 0 the loss grows with the ratio and the clip does not bound it, so that a bad action which became
           likely is pushed back. A clamp bounds the loss and makes that gradient zero: at B = 10 a sample at log-ratio
           12 has a loss of 22,026 |A| and no gradient. A tight clamp trades an explosion for a dead zone. Schulman et
           al. 2017, arXiv:1707.06347, eq. 7; Ye et al. 2020, arXiv:1912.09729, eq. 3 stop the gradient openly.
Applies.   Losses that clamp the log-ratio before the exponential. Not where a dual clip stops the gradient before the
           clamp.
Tested.    Loss and gradient of one sample with A = -1 at log-ratios 0.98 B and B + 2, alone in its batch.
Severity.  Serious where B is below 1 or below ln(1 + eps), since ordinary epochs reach that; potential for a wider
           clamp, which is a design with a known cost.
Fix.       Keep the clamp wide (10 to 20), stop the epoch on an exact KL so that it is never reached, or bound the loss
           by a dual clip, which also stops this gradient, by design and in one place.
"""

import math

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO109",
    name="log-ratio-clamp-dead-zone",
    family="ratio",
    severity=Severity.SERIOUS,
    needs=("policy", "ratio"),
    must_flag=("log_ratio_held_at_half", "log_ratio_held_inside_clip"),
)
BEYOND = 2.0


def check(subject: Subject) -> Violation | None:
    bound = subject.profile.clamp
    if bound is None or "log_ratio_clamp" not in subject.anatomy.sites:
        raise NotApplicable("the log-ratio is not clamped")
    _, inside = dead_zone(subject, 0.98 * bound)
    loss, beyond = dead_zone(subject, bound + BEYOND)
    clip = math.log1p(subject.settings.get("clip_range_high", subject.settings.get("clip_range", 0.0)))
    is_tight = bound < max(subject.limits["tight_log_ratio_clamp"], clip)
    log_ratio = torch.tensor([bound + BEYOND], dtype=torch.float64)
    return worst(
        Violation(
            f"The clamp at {bound:g} leaves a sample at log-ratio {bound + BEYOND:g} with A = -1 a loss of {loss:.5g} "
            "and no gradient.",
            evidence={"bound": bound, "loss_beyond": loss, "gradient_inside": inside, "gradient_beyond": beyond},
            site="log_ratio_clamp",
            severity=Severity.SERIOUS if is_tight else Severity.POTENTIAL,
            explains=("PPO102", "PPO103", "PPO106", "PPO108") if is_tight else (),
        ),
        unless=torch.tensor([beyond != 0 or inside == 0]),
        log_ratio=log_ratio,
        advantage=-1.0,
        got=beyond,
        want=inside,
    )


def dead_zone(subject: Subject, log_ratio: float) -> tuple[float, float]:
    """Loss and gradient, by log-prob, of one sample with A = -1 at a log-ratio."""
    at, bad = (torch.tensor([number], dtype=torch.float64) for number in (log_ratio, -1.0))
    return float(subject.policy_losses(at, bad)), float(subject.policy(at, bad))
