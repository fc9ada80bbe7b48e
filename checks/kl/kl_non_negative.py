"""A KL divergence is not negative, and zero where the policies agree.

Property.  The KL term of a sample is >= 0 for every pair of policies, and 0 where they are equal.
Why.       A penalty that can be negative pays for moving away. The estimate k1 = log p - log q is unbiased but negative
           for about half of the samples; with both distributions at hand the exact KL costs nothing and has no
           variance: for N(0, 1) against N(0, 2) it is 0.318, where k1 at a = 0 gives 0.693.
           http://joschu.net/blog/kl-approx.html; Schulman et al. 2017, arXiv:1707.06347, section 4 (the penalty is the
           exact KL).
Applies.   Losses with a KL term, whatever its coefficient. A KL that is returned as a metric only is not judged, and k1
           inside the reward is another design.
Tested.    Log-probs -4 to -0.5 of the two policies in all pairs; for Gaussians, means 0 to 1 apart and deviations from
           a half to double; for logits, 16 random pairs. Each sample alone. The sign of the coefficient is PPO413's.
Severity.  Serious where the term is no KL at all, or is k1 although both distributions are at hand; potential for k1
           from log-probs of samples alone.
Fix.       Use the exact KL of the distributions; from samples alone k3 = r - 1 - log r, r = q / p at samples of p, is
           >= 0.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.kl import kl_cases, kl_values
from ppo_audit.probes.places import recorded_site

RULE = Rule(
    code="PPO411",
    name="kl-non-negative",
    family="kl",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "kl"),
    needs=("kl",),
    must_flag=("k1_with_gaussians_at_hand", "k3_sign_slip", "gaussian_kl_without_half", "std_in_place_of_variance"),
)


def check(subject: Subject) -> Violation | None:
    cases = kl_cases(subject)
    got = kl_values(subject, cases)
    got = -got if bool((got <= 0).all()) and subject.kind != "kl" else got
    names = list(cases)
    equal = (cases[names[0]] - cases[names[1]]).reshape(len(got), -1).abs().sum(-1)
    if len(names) > 2:
        equal = equal + (cases[names[2]] - cases[names[3]]).reshape(len(got), -1).abs().sum(-1)
    is_k1 = "log_prob" in cases and is_linear(cases["log_prob"] - cases[names[1]], got)
    mild = is_k1 and "two_distributions" not in subject.profile.claims
    slack = 1e3 * subject.tolerance * (1 + got.abs())
    unless = torch.where(equal == 0, got.abs() <= slack, got >= -slack)
    return worst(
        Violation(
            f"The KL term {_fault(is_k1, got, equal)}.",
            evidence={"exact_KL_of_N(0,1)_and_N(0,2)": 0.318, "k1_at_a=0": 0.693} if is_k1 else {},
            site="kl",
            severity=Severity.POTENTIAL if mild else Severity.SERIOUS,
            explains=() if is_k1 else ("PPO412", "PPO414"),
            place=recorded_site(subject, "kl") if is_k1 else None,
        ),
        unless=unless,
        **cases,
        got=got,
        want="at least 0" if bool((got < -slack).any()) else "0 where the policies agree",
    )


def is_linear(log_ratio: torch.Tensor, values: torch.Tensor) -> bool:
    """Whether the estimate is a multiple of the log-ratio itself: k1."""
    slope = (values * log_ratio).sum() / (log_ratio**2).sum()
    return bool((values - slope * log_ratio).abs().max() <= 1e-4 * values.abs().max())


def _fault(is_k1: bool, values: torch.Tensor, distance: torch.Tensor) -> str:
    if is_k1:
        return "is k1, a difference of log-probs: it is negative wherever the action became likelier"
    if bool((values[distance == 0].abs() > 1e-6).any()):
        return "is not zero where the two policies agree"
    return "is negative for some pairs of policies"
