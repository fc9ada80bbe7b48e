"""The KL penalty has a gradient, and one that pulls the policies together.

Property.  d penalty / d policy is not zero wherever the policies differ; for a reference KL, estimated at samples of
           the current policy, the derivative by the log-prob is not the same number for every sample.
Why.       sum_a p(a) d log p(a) = 0: the estimate k1 = log p - log q has derivative 1 everywhere, so that as a loss on
           the policy's own samples it has no gradient in expectation, and noise instead. Detached, it has none at all.
           k2 follows the reverse KL, k3 the forward one. http://joschu.net/blog/kl-approx.html; Shao et al. 2024,
           arXiv:2402.03300, eq. 4.
Applies.   Losses with a KL term, whatever its coefficient. k1 on samples of the old policy has the right gradient and
           passes; k1 inside the reward is another design.
Tested.    The pairs of PPO411; the gradient for every log-prob, mean and deviation, or logit.
Severity.  Serious: the coefficient is tuned, the KL is logged, and nothing holds the policy.
Fix.       Against a reference use k2 or k3 with the new log-prob alive, or put k1 into the reward.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.kl import kl_cases
from ppo_audit.probes.places import estimate
from ppo_audit.probes.quantities import term_roles

RULE = Rule(
    code="PPO414",
    name="kl-gradient",
    family="kl",
    severity=Severity.SERIOUS,
    needs=("kl",),
    must_flag=("k1_as_reference_loss", "kl_detached", "penalty_without_gradient", "kl_of_the_old_policy"),
)
LIVE = ("log_prob", "mean", "log_std", "std", "logits")


def check(subject: Subject) -> Violation | None:
    read = term_roles(subject, "kl")
    if not read & {*LIVE, "kl"}:
        return Violation(
            "The KL penalty reads nothing of the new policy: it has no gradient.",
            counterexample={"got": ", ".join(sorted(read)), "want": "the new log-prob among them"},
            site="kl",
            explains=("PPO510",),
        )
    cases = kl_cases(subject)
    found = [subject.term("kl").gradient(role, **cases).double() for role in cases if role in LIVE]
    pairs = list(cases.values())
    apart = (pairs[0] - pairs[1]).reshape(len(pairs[0]), -1).abs().sum(-1) > 0
    size = torch.stack([gradient.abs() for gradient in found]).sum(0)[apart]
    violation = worst(
        Violation("The KL penalty has no gradient.", site="kl", explains=("PPO510",)),
        unless=(size > 0).any().expand(len(size)),
        **{role: values[apart] for role, values in cases.items()},
        got=size,
        want="not 0",
    )
    return violation if violation is not None or "ref_log_prob" not in cases else _k1(subject, cases, found[0])


def _k1(subject: Subject, cases: dict[str, torch.Tensor], derivative: torch.Tensor) -> Violation | None:
    """Whether the derivative of a reference KL by the log-prob is one number for all samples."""
    spread = (derivative - derivative.mean()).abs()
    return worst(
        Violation(
            "The penalty is k1, whose gradient over the policy's own samples is zero on average.",
            evidence={"derivative_by_log_prob": float(derivative[0])},
            site="kl",
            explains=("PPO411",),
            place=estimate(subject, "kl"),
        ),
        unless=(spread > 1e3 * subject.tolerance * derivative.abs().max()).any().expand(len(spread)),
        **cases,
        got=derivative,
        want="a derivative that vanishes where the policies agree",
    )
