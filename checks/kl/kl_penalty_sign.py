"""The KL penalty costs something.

Property.  The KL term is not negative on average over the actions of the policy that samples them, and an exact or
           quadratic one is negative nowhere: with a larger coefficient the loss is larger.
Why.       With the sign turned round the penalty is a reward for leaving the reference, without bound: the policy runs
           away, and the larger the coefficient the faster. Schulman et al. 2017, arXiv:1707.06347, section 4; Shao et
           al. 2024, arXiv:2402.03300, eq. 3.
Applies.   Losses with a KL term, given log-probs or distributions. k1 may be negative for single samples.
Tested.    Distributions of PPO411; for log-probs the three actions of (0.6, 0.3, 0.1) and (0.3, 0.3, 0.4), weighed by
           the sampling policy. A coefficient that is an argument at 1.
Severity.  Critical: the policy is paid for moving away.
Fix.       Add `kl_coef * kl` to the loss, with kl = r - 1 - log r, r = reference / policy at the policy's own samples.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.kl import kl_values, penalties
from ppo_audit.probes.places import subtracting

RULE = Rule(
    code="PPO413",
    name="kl-penalty-sign",
    family="kl",
    severity=Severity.CRITICAL,
    needs=("kl",),
    must_flag=("reference_kl_subtracted", "exact_kl_subtracted"),
)
SAMPLING, OTHER = (torch.tensor(p, dtype=torch.float64) for p in ((0.6, 0.3, 0.1), (0.3, 0.3, 0.4)))


def check(subject: Subject) -> Violation | None:
    got, columns = averages(subject)
    return worst(
        Violation(
            "The KL term is subtracted: moving away from the other policy lowers the loss.",
            site="kl_weight",
            explains=("PPO411", "PPO412"),
            place=subtracting(subject, "kl"),
        ),
        unless=got >= -1e3 * subject.tolerance * (1 + got.abs()),
        **columns,
        got=got,
        want="at least 0",
    )


def averages(subject: Subject) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The KL term of pairs of policies, and the pairs; of k1, which takes both signs, the mean over sampled actions."""
    cases = penalties(subject)
    got = kl_values(subject, cases)
    if "log_prob" not in cases or not bool((got < 0).any() & (got > 0).any()):
        is_negated = not bool((got > 0).any())  # what takes both signs is no KL at all: PPO411
        return (got if is_negated else got.abs()), cases
    policies = (SAMPLING, OTHER) if "ref_log_prob" in cases else (OTHER, SAMPLING)
    roles = {role: policy.log() for role, policy in zip(cases, policies, strict=True)}
    average = (SAMPLING * kl_values(subject, roles)).sum()[None]
    return (average if is_linear(got, list(cases.values())) else average.abs()), {}


def is_linear(values: torch.Tensor, policies: list[torch.Tensor]) -> bool:
    """Whether the estimate is a multiple of the difference of log-probs: k1."""
    log_ratio = policies[0] - policies[1]
    slope = (values * log_ratio).sum() / (log_ratio**2).sum()
    return bool((values - slope * log_ratio).abs().max() <= 1e-4 * values.abs().max())
