"""A small KL is not drowned in rounding.

Property.  In float32 the estimate at log-ratios of +-2^-10 and +-2^-13 is within 10 % of what float64 gives, and not
           negative where that is not; at +-20 it is finite.
Why.       exp(x) - 1 - x takes the difference of numbers near 1 to find x^2 / 2: below 1e-3 rounding is as large as the
           result, and of either sign. Early in an epoch all log-ratios are that small. expm1 has no such loss. The
           estimate is that of http://joschu.net/blog/kl-approx.html; Shao et al. 2024, arXiv:2402.03300, eq. 4.
Applies.   KL terms estimated from log-probs.
Tested.    Four log-ratios at log-prob -1.5, all exact in float32, each alone, in both precisions; two far ones for
           being finite.
Severity.  Potential: the error is small beside the loss, unless the coefficient is large or a controller reads the
           value.
Fix.       torch.expm1(log_ratio) - log_ratio
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.kl import kl_cases
from ppo_audit.probes.places import estimate

RULE = Rule(
    code="PPO415",
    name="kl-precision",
    family="kl",
    severity=Severity.POTENTIAL,
    kinds=("loss", "trainer", "kl"),
    needs=("kl",),
    must_flag=("k3_cancels",),
)
SMALL = torch.tensor([2.0**-10, -(2.0**-10), 2.0**-13, -(2.0**-13)], dtype=torch.float64)
FAR = torch.tensor([20.0, -20.0], dtype=torch.float64)


def check(subject: Subject) -> Violation | None:
    roles = list(kl_cases(subject))
    if roles[0] != "log_prob":
        raise NotApplicable("the KL is computed from distributions")
    single = subject.in_float32
    want, got = (_values(each, roles, SMALL) for each in (subject, single))
    far = _values(single, roles, FAR)
    place = estimate(subject, "kl")
    return worst(
        Violation("In float32 a small KL is lost in rounding.", site="kl", place=place),
        unless=(got - want).abs() <= 0.1 * want.abs(),
        log_ratio=SMALL,
        got=got,
        want=want,
    ) or worst(
        Violation("In float32 the KL of a log-ratio of 20 is not finite.", site="kl", place=place),
        unless=far.isfinite(),
        log_ratio=FAR,
        got=far,
        want="finite",
    )


def _values(subject: Subject, roles: list[str], log_ratio: torch.Tensor) -> torch.Tensor:
    """The KL term of each log-ratio alone."""
    new = torch.full_like(log_ratio, -1.5)
    values: torch.Tensor = subject.term("kl").row_values(**{roles[0]: new, roles[1]: new - log_ratio})
    return values
