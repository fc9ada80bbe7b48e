"""The value loss pulls every prediction towards its own target.

Property.  Without clipping in play (V_old = V): d loss / d V_i = k f(V_i - R_i) with one k > 0, where f is the error
           itself (squared loss), or the error bounded (Huber, smooth L1); zero where V = R; the old value does not
           matter.
Why.       The critic is a regression on the target. A wrong sign drives it away, a target of another sample makes it
           predict the mean, and every advantage inherits the error. Schulman et al. 2017, arXiv:1707.06347, eq. 9.
Applies.   Losses with a value term. Of a quantile critic only the direction is judged, all quantiles on one side of the
           target; a categorical critic has another regression. Where no target is given, and the term reads the
           advantage and the old value, the target is their sum.
Tested.    64 errors of both signs from 0.01 to 4, targets between -2 and 2 in shuffled order: sign, zero at zero, equal
           errors give equal gradients, proportional below 0.5, never growing slower than a bounded slope allows.
Severity.  Critical: the critic learns the wrong thing, and with it every advantage.
Fix.       Use the mean of (V - R)^2 over samples, V and R of one shape.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import term_roles
from ppo_audit.probes.values import pulls

RULE = Rule(
    code="PPO301",
    name="value-gradient",
    family="value",
    severity=Severity.CRITICAL,
    needs=("value",),
    must_flag=("value_sign", "quantile_value_sign", "target_of_another_sample", "broadcast_values"),
)
INSIDE_CLIP = 0.1
"""How far the new value lies from the old one where the old one makes the target."""


def check(subject: Subject) -> Violation | None:
    if _has_unit_of_its_own(subject):
        raise NotApplicable("the loss normalises its targets over the batch, which couples them")
    size = torch.logspace(-2, 0.6, 32, dtype=torch.float64)
    error = torch.stack([size, -size]).T.flatten()
    target = torch.linspace(-2, 2, 64, dtype=torch.float64)[torch.arange(64) * 37 % 64]
    entries = subject.term("value").gradient("value", **_roles(subject, target + error, target)).reshape(64, -1)
    gradient = entries.sum(-1)
    if "scalar_critic" not in subject.profile.claims:
        return _of_quantiles(entries, error)
    slope, want, small = pulls(target, error, gradient)
    bent = (gradient.abs() <= want.abs() * (1 + 1e-6)) & (gradient * error > 0)
    close = (gradient - want).abs() <= 1e3 * subject.tolerance * want.abs().clamp_min(1e-3)
    return worst(
        Violation(
            "The value loss does not pull a prediction towards its own target.",
            site="value_weight" if slope < 0 else "value",
            explains=_explains(subject, gradient),
        ),
        unless=close | (bent & ~small),
        error=error,
        got=gradient,
        want=want,
    )


def _of_quantiles(entries: torch.Tensor, error: torch.Tensor) -> Violation | None:
    """All quantiles on one side of the target are pulled to it, none away; `entries` has shape (64, K)."""
    total, moved = entries.sum(-1), entries.abs().sum(-1)
    if bool((moved > 0).all()) and bool((total.abs() <= 1e-6 * moved).all()):
        raise NotApplicable("the critic is a categorical one: its logits are pulled both ways")
    return worst(
        Violation("The value loss does not pull the quantiles towards their target.", site="value_weight"),
        unless=total * error > 0,
        error=error,
        got=total,
        want="the sign of the error",
    )


def _has_unit_of_its_own(subject: Subject) -> bool:
    """Whether the critic predicts normalised targets: not where the loss compares its values with raw returns too."""
    is_normalised = "value_spread" in subject.anatomy.sites and "return_" in subject.available
    return is_normalised and not {"value", "return_"} <= term_roles(subject, "policy")


def _roles(subject: Subject, value: torch.Tensor, target: torch.Tensor) -> dict[str, torch.Tensor]:
    """Predictions and targets, (64,) each, in the roles that the value term reads; the old value is the new one."""
    old = {"old_value": value} if "old_value" in subject.available else {}
    if "return_" in subject.available:
        return {"value": value, "return_": target} | old
    if not {"advantage", "old_value"} <= term_roles(subject, "value"):
        raise NotApplicable("neither the value target is given, nor the advantage and the old value that make it")
    before = value - INSIDE_CLIP  # an advantage with a mean of its own: a normalised one is then told from it
    return {"value": value, "old_value": before, "advantage": target - before}


def _explains(subject: Subject, gradient: torch.Tensor) -> tuple[str, ...]:
    """What follows where the critic has no gradient, and where its targets are divided by a spread."""
    if not bool((gradient != 0).any()):
        return ("PPO302", "PPO305", "PPO510")
    return ("PPO202", "PPO506", "PPO507", "PPO509") if "value_spread" in subject.anatomy.sites else ()
