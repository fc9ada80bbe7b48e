"""The entropy coefficient scales the entropy bonus, once, and zero removes it.

Property.  With c_e at 0, c and 2 c on one batch, for every input x:  g_x(2 c) - g_x(0) = 2 (g_x(c) - g_x(0)), some
           g_x(c) differs from g_x(0), and the gradient for the entropy itself is 0 at c_e = 0.
Why.       Exploration is tuned by this one number. Lost, squared or never used, a sweep over it measures nothing, and a
           bonus that stays on at 0 keeps a policy from converging. Schulman et al. 2017, arXiv:1707.06347, eq. 9 (c_2).
Applies.   Losses that take the coefficient as an argument, an option of their class, or from a factory; whether they
           take the entropy or compute it. A coefficient of 0 is tried at 1.
Tested.    One batch of eight samples at three coefficients; the gradient for every input.
Severity.  Serious: exploration has another weight than the one that was set.
Fix.       Write `loss = policy_loss + value_coef * value_loss - entropy_coef * entropy`, once.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.options import effects
from ppo_audit.probes.places import joining

RULE = Rule(
    code="PPO404",
    name="entropy-coefficient",
    family="entropy",
    severity=Severity.SERIOUS,
    must_flag=(
        "entropy_coefficient_lost",
        "entropy_coefficient_squared",
        "entropy_never_added",
        "coefficient_of_a_namespace_lost",
    ),
)


def check(subject: Subject) -> Violation | None:
    seen = effects(subject, "entropy_coef")
    if seen is None:
        raise NotApplicable("no coefficient of the entropy can be set")
    nothing, once, twice = (torch.cat([gradient.flatten().double() for gradient in each.values()]) for each in seen)
    bonus = seen[0]["entropy"].flatten().double() if "entropy" in seen[0] else torch.zeros(1, dtype=torch.float64)
    got, want = twice - nothing, 2 * (once - nothing)
    is_used = bool((want.abs() > subject.tolerance * once.abs().max()).any())
    problem = next(text for holds, text in _problems(is_used, bool((bonus == 0).all())) if holds)
    fits = (got - want).abs() <= 1e3 * subject.tolerance * (want.abs() + 1e-3 * want.abs().max() + 1e-12)
    return worst(
        Violation(
            f"The entropy coefficient {problem}.",
            site="entropy_weight",
            explains=("PPO007", "PPO510"),
            place=joining(subject, "entropy"),
        ),
        unless=fits & torch.tensor(is_used) & bool((bonus == 0).all()),
        entry=torch.arange(len(got)),
        got=got,
        want=want,
    )


def _problems(is_used: bool, is_removed: bool) -> list[tuple[bool, str]]:
    return [
        (not is_used, "has no effect on any gradient"),
        (not is_removed, "leaves an entropy term in the loss when it is 0"),
        (True, "does not scale the entropy bonus in proportion"),
    ]
