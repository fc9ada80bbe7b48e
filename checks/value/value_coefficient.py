"""The value coefficient scales the value loss, once.

Property.  With c_v at 0, c and 2 c on one batch:  g_V(2 c) - g_V(0) = 2 (g_V(c) - g_V(0)) != 0, where g_V = d loss / d
           value.
Why.       The coefficient balances critic and policy where they share a network. Lost, applied twice, or put on the
           entropy, it is another number than the one that was tuned. Schulman et al. 2017, arXiv:1707.06347, eq. 9
           (c_1).
Applies.   Losses with a value term that take its coefficient as an argument, an option of their class, or from a
           factory. A coefficient of 0 is tried at 1; what it does to other terms is PPO510.
Tested.    One batch of eight samples at three coefficients; the gradient for every value.
Severity.  Serious: the critic's weight is not the one that was set.
Fix.       Write `loss = policy_loss + value_coef * value_loss - entropy_coef * entropy`, once.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.options import effects
from ppo_audit.probes.places import joining

RULE = Rule(
    code="PPO305",
    name="value-coefficient",
    family="value",
    severity=Severity.SERIOUS,
    needs=("value",),
    must_flag=("value_coefficient_lost", "value_coefficient_twice", "coefficients_swapped"),
)


def check(subject: Subject) -> Violation | None:
    seen = effects(subject, "value_coef")
    if seen is None or "value" not in seen[0]:
        raise NotApplicable("no coefficient of the value loss can be set")
    nothing, once, twice = (gradients["value"].reshape(8, -1).sum(-1).double() for gradients in seen)
    if not bool((once != 0).any()):
        raise NotApplicable("the value loss has no gradient on an ordinary batch (PPO301)")
    got, want = twice - nothing, 2 * (once - nothing)
    is_used = bool(((once - nothing).abs() > subject.tolerance * once.abs()).any())
    text = "has no effect on the value gradient" if not is_used else "does not scale the value gradient in proportion"
    return worst(
        Violation(
            f"The value coefficient {text}.",
            site="value_weight",
            explains=("PPO007", "PPO404", "PPO510"),
            place=joining(subject, "value"),
        ),
        unless=((got - want).abs() <= 1e3 * subject.tolerance * want.abs().clamp_min(1e-6)) & torch.tensor(is_used),
        sample=torch.arange(8),
        got=got,
        want=want,
    )
