"""One sample whose log-ratio is large must not destroy the update.

Property.  For log-ratios up to +-200 and both signs of A the gradient of the policy term is finite, and up to a
           log-ratio of 20 it stays below 1e6 |A|.
Why.       exp overflows float32 at 88.7, and its gradient is NaN there even for A > 0, where the clip should make it
           zero (0 times inf). For A < 0 the clip does not bound the loss: at log-ratio 20 the gradient is 4.85e8 |A|,
           and one such sample moves every parameter. The one-sided clip is by design; a guard of the exponent is not
           part of Schulman et al. 2017, arXiv:1707.06347, eq. 7, but Ye et al. 2020, arXiv:1912.09729, eq. 3 bound it
           by a dual clip.
Applies.   Losses with a ratio of their own: exp of a difference of log-probs. Not where the gradient is taken at the
           old policy only, as a natural gradient is.
Tested.    In float32: log-ratios from 1 to 20 in steps of 1, then 25, 50, 80, 88, 89, 95, 100, 150, 200, of both signs
           and for A of both signs.
Severity.  Critical where a multiplier above 1e6 or a non-finite gradient lies within a log-ratio of 20; potential where
           the gradient is non-finite only beyond it. In float32.
Fix.       Bound the exponent: dual clip (max(surrogate, c A) for A < 0) or a clamp of the log-ratio at +-10. Either
           stops the gradient of the samples beyond it; PPO109 says what that costs. Stop the epoch when an exact KL is
           exceeded.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO101",
    name="ratio-overflow",
    family="ratio",
    severity=Severity.CRITICAL,
    needs=("policy", "ratio"),
    must_flag=("no_guard", "clamp_at_twenty"),
    prevalence="32 of 33 public implementations read have no guard on the exponent.",
)
REACHABLE, BOUND = 20.0, 1e6
STEPS = (*range(1, 21), 25, 50, 80, 88, 89, 95, 100, 150, 200)


def check(subject: Subject) -> Violation | None:
    if subject.anatomy.is_on_policy:
        raise NotApplicable(
            "the ratio is 1 wherever the gradient is taken: that of the old policy, or of its own detached copy"
        )
    log_ratio, advantage = extremes()
    multiplier = subject.in_float32.policy(log_ratio, advantage).double().abs() / (subject.profile.scale or 1.0)
    multiplier = torch.where(multiplier.isfinite(), multiplier, torch.inf)
    near = log_ratio.abs() <= REACHABLE
    is_critical = not bool((multiplier[near] <= BOUND).all())
    if not is_critical and bool(multiplier.isfinite().all()):
        return None
    return worst(
        Violation(
            _message(is_critical, log_ratio, multiplier),
            evidence={"largest_multiplier_within_20": float(multiplier[near].max())},
            site="ratio",
            severity=Severity.CRITICAL if is_critical else Severity.POTENTIAL,
        ),
        unless=(multiplier <= BOUND) | (log_ratio.abs() < REACHABLE) if is_critical else multiplier.isfinite(),
        log_ratio=log_ratio,
        advantage=advantage,
        got=multiplier,
        want=f"at most {BOUND:.0e}",
    )


def extremes() -> tuple[torch.Tensor, torch.Tensor]:
    """Log-ratios and advantages, both (116,): every step with both signs of both."""
    steps = torch.tensor(STEPS, dtype=torch.float64)
    signed, sides = torch.cat([steps, -steps]), torch.tensor([1.0, -1.0], dtype=torch.float64)
    log_ratio, advantage = torch.cartesian_prod(signed, sides).T
    return log_ratio, advantage


def _message(is_critical: bool, log_ratio: torch.Tensor, multiplier: torch.Tensor) -> str:
    if not is_critical:
        return (
            f"The gradient is not finite beyond a log-ratio of {float(log_ratio[multiplier.isinf()].abs().min()):.0f}."
        )
    largest = float(multiplier[log_ratio.abs() <= REACHABLE].max())
    return f"One sample at a log-ratio of {REACHABLE:.0f} has a gradient of {largest:.3g} times its advantage."
