"""An auxiliary term stays below the PPO term in gradient.

Property.  On an ordinary batch, |d auxiliary / d policy| <= |d PPO term / d policy|, as Euclidean norms over the
           samples, for a cloning and for a KL term, coefficients included.
Why.       Losses mislead here: two terms of equal size can have gradients of very different size. Above 1 the auxiliary
           term steers, above 2 it dominates, and PPO is the regulariser of an imitation. Peng et al. 2019,
           arXiv:1910.00177, weighs samples by exp(A), whose mean is no longer small.
Applies.   Losses with a policy term and a cloning or KL term.
Tested.    256 samples with log-ratios of standard deviation 0.05 and advantages of standard deviation 1, through the
           log-prob; a KL of distributions through their means or logits. Bounds in `ppo_audit.thresholds`.
Severity.  Potential: it may be meant so.
Fix.       Scale the term by its gradient and not by its loss; start at a tenth of the PPO term.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import term_gradient

RULE = Rule(
    code="PPO208",
    name="auxiliary-term-dominates",
    family="advantages",
    severity=Severity.POTENTIAL,
    needs=("policy",),
    must_flag=("cloning_dominates",),
)


def check(subject: Subject) -> Violation | None:
    names = [name for name in ("cloning", "kl") if name in subject.anatomy.families]
    if not names:
        raise NotApplicable("the loss has neither a cloning nor a KL term")
    shares = {name: share(subject, name) for name in names}
    heaviest = max(names, key=lambda name: shares[name])
    warns, dominates = subject.limits["auxiliary_share_warns"], subject.limits["auxiliary_share_dominates"]
    verb = "outweighs" if shares[heaviest] <= dominates else "dominates"
    return worst(
        Violation(
            f"The {heaviest} term {verb} the PPO term: its gradient is {shares[heaviest]:.2f} times as large.",
            evidence={f"{name}_gradient_over_ppo": value for name, value in shares.items()},
            site=f"{heaviest}_weight",
        ),
        unless=torch.tensor([shares[name] <= warns for name in names]),
        got=shares[heaviest],
        want=f"at most {warns:g}",
    )


def share(subject: Subject, name: str) -> float:
    """Norm of an auxiliary term's gradient over that of the policy term, on one ordinary batch."""
    batch = subject.rows(subject.capacity or 256)
    role = "log_prob"
    run = subject.run(batch)
    if not bool(term_gradient(subject, name, role, run).any()):
        role = next((role for role in ("mean", "logits") if role in subject.available), role)
        old = {f"old_{role}": batch[role] + 0.05 * torch.ones_like(batch[role])} if f"old_{role}" in batch else {}
        run = subject.run({given: values for given, values in {**batch, **old}.items() if given not in subject.cuts})
    auxiliary, policy = (term_gradient(subject, each, role, run).norm() for each in (name, "policy"))
    if not bool(policy > 0):
        raise NotApplicable("the policy term has no gradient (PPO104)")
    return float(auxiliary / policy)
