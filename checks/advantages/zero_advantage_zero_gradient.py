"""A sample without advantage leaves the policy alone.

Property.  Effective advantage 0 => d policy term / d log_prob = 0, exactly, at any ratio and whatever the other samples
           are.
Why.       The surrogate is linear in A. A gradient without an advantage means that something else is credited: returns
           in place of advantages, an offset, the mean of the batch. The policy then drifts towards whatever it did.
           Schulman et al. 2017, arXiv:1707.06347, eq. 7.
Applies.   Losses with a policy term; cloning, entropy and KL terms are others and are left out. Normalisers alone:
           what is zero throughout stays zero.
Tested.    Zero advantages at ratios from 0.6 to 1.6, among samples whose advantages have mean 0. Sixteen zeros; a NaN
           of them is PPO202's.
Severity.  Critical: the policy is pushed where there is nothing to gain.
Fix.       Multiply the ratio by the advantage and by nothing else.
"""

import torch

from ppo_audit import Credit, NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO206",
    name="zero-advantage-zero-gradient",
    family="advantages",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "advantages"),
    needs=("policy",),
    must_flag=("returns_for_advantages", "advantage_offset"),
)


def check(subject: Subject | Credit) -> Violation | None:
    if isinstance(subject, Credit):
        return of_normaliser(subject)
    log_ratio = torch.linspace(-0.5, 0.47, 16, dtype=torch.float64).repeat_interleave(2)
    advantage = torch.zeros_like(log_ratio)
    advantage[1::2] = torch.linspace(-2, 2, 16, dtype=torch.float64)
    gradient = subject.policy(log_ratio, advantage)
    idle = advantage == 0
    if not bool(gradient.any()):
        raise NotApplicable("no sample has a policy gradient, whatever its advantage")
    return worst(
        Violation(
            "A sample with advantage 0 has a policy gradient.",
            site="surrogate" if "surrogate" in subject.anatomy.sites else "policy",
            explains=("PPO102", "PPO103", "PPO104", "PPO204"),
        ),
        unless=gradient[idle] == 0,
        ratio=log_ratio[idle].exp(),
        advantage=0.0,
        got=gradient[idle],
        want=0.0,
    )


def of_normaliser(judged: Credit) -> Violation | None:
    """Whether a normaliser makes credit of nothing."""
    if "advantage" not in judged.available:
        raise NotApplicable("the helper makes advantages of rewards (PPO803)")
    got = judged.normalised(torch.zeros(16, dtype=torch.float64))
    return worst(
        Violation("Advantages that are all zero become credit.", explains=("PPO203",)),
        unless=(got.abs() <= 1e-9) | got.isnan(),
        advantage=torch.zeros(16, dtype=torch.float64),
        got=got,
        want=0.0,
    )
