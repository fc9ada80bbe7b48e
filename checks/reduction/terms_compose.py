"""The total is the sum of its terms, each with its own coefficient and no other.

Property.  total = policy + c_v value - c_e entropy (+ c_kl KL + ...): the coefficient of one term leaves the gradients
           of the others as they are, that of a KL penalty changes some gradient, and a critic whose values, targets and
           coefficient are taken has a gradient.
Why.       A misplaced parenthesis or a term that never reached the sum is no error to Python. The entropy bonus is then
           scaled by the critic's coefficient, or the critic does not learn while its loss is logged. Schulman et al.
           2017, arXiv:1707.06347, eq. 9.
Applies.   Losses with at least one coefficient that can be set. An entropy that is never added is PPO404.
Tested.    Value coefficient at 0, c and 2 c: the gradients for log-prob, entropy, means, deviations and logits. Entropy
           and KL coefficient likewise: the gradient for the value; that of the KL, every gradient. One batch of eight
           samples.
Severity.  Critical: a term is missing, or is weighed by another one's coefficient. Serious: a KL is not weighed by its
           own.
Fix.       Write `loss = policy_loss + value_coef * value_loss - entropy_coef * entropy` on one line.
"""

from collections.abc import Mapping, Sequence

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.options import effects
from ppo_audit.probes.places import joining

RULE = Rule(
    code="PPO510",
    name="terms-compose",
    family="reduction",
    severity=Severity.CRITICAL,
    must_flag=("value_term_forgotten", "entropy_inside_parenthesis", "kl_coefficient_lost"),
)
ACTOR = ("log_prob", "entropy", "mean", "log_std", "std", "logits")
OTHERS = {"value_coef": ACTOR, "entropy_coef": ("value",), "kl_coef": ("value",)}
Gradients = Mapping[str, torch.Tensor]


def check(subject: Subject) -> Violation | None:
    found = {coefficient: seen for coefficient in OTHERS if (seen := effects(subject, coefficient)) is not None}
    if not found:
        raise NotApplicable("no coefficient can be set")
    coupled = (
        _coupled(subject, coefficient, role, seen[0][role], seen[2][role])
        for coefficient, seen in found.items()
        for role in OTHERS[coefficient]
        if role in seen[0]
    )
    missing = _is_missing(subject, found["value_coef"]) if "value_coef" in found else None
    unweighed = _is_unweighed(subject, found["kl_coef"]) if "kl_coef" in found else None
    return missing or unweighed or next(filter(None, coupled), None)


def _is_missing(subject: Subject, seen: Sequence[Gradients]) -> Violation | None:
    """Whether no value term reached the sum; one that is there without a gradient is PPO301's."""
    given = {"value", "return_"} <= subject.available
    if not given or "value" in subject.anatomy.families or bool((seen[1]["value"] != 0).any()):
        return None
    return Violation(
        "The values, their targets and a coefficient are given, but the value loss is not part of the total.",
        counterexample={"got": 0.0, "want": "a gradient for the value"},
        explains=("PPO007", "PPO301", "PPO305"),
        place=joining(subject, "value"),
    )


def _is_unweighed(subject: Subject, seen: Sequence[Gradients]) -> Violation | None:
    """Whether a KL term is in the loss, and no gradient differs between no coefficient and twice of it."""
    if "kl" not in subject.anatomy.families or not all(torch.equal(seen[0][role], seen[2][role]) for role in seen[0]):
        return None
    return Violation(
        "The loss penalises the KL whatever its coefficient is.",
        severity=Severity.SERIOUS,
        counterexample={"coefficient": 0.0, "got": "the same gradients as with it", "want": "no penalty"},
        explains=("PPO007", "PPO411", "PPO412"),
        place=joining(subject, "kl"),
    )


def _coupled(subject: Subject, name: str, role: str, before: torch.Tensor, after: torch.Tensor) -> Violation | None:
    """Whether a coefficient that is no business of this input changes its gradient."""
    before, after = (gradient.reshape(len(gradient), -1).sum(-1).double() for gradient in (before, after))
    return worst(
        Violation(
            f"`{name}` changes the gradient for `{role}`, which belongs to another term.",
            explains=("PPO404", "PPO007"),
            place=joining(subject, "entropy" if role == "entropy" else "policy"),
        ),
        unless=(after - before).abs() <= 1e3 * subject.tolerance * before.abs().max().clamp_min(1e-6),
        sample=torch.arange(len(before)),
        got=after,
        want=before,
    )
