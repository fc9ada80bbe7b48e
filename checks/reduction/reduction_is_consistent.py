"""All terms are reduced alike: sums or means, with one denominator.

Property.  Doubling the batch multiplies the gradient of each sample by one factor for all terms: 1/2 for means, 1 for
           sums; and a divisor that the code makes from a size grows with it. A masked reduction weighs its valid
           entries alike, or by the length of their sequence or the count at their place; a mean by one in total.
Why.       Where one term is summed and the others are averaged, its coefficient grows with the batch: with 64 samples a
           critic's 0.5 is 32. A guard written `min(n, 1)` for `max(n, 1)` turns the mean into a sum. Schulman et al.
           2017, arXiv:1707.06347, eq. 9, has one expectation around all terms.
Applies.   Losses with at least two terms that have gradients of their own, or with a division by a size. Sums
           throughout pass. Masked means and sums alone; the name tells whether a mean is meant.
Tested.    Eight samples and the same eight twice; the median gradient for log-prob, value and entropy. Reductions:
           the gradient of each entry of eight sequences of one to five valid tokens.
Severity.  Serious: the weights of the terms follow the batch size.
Fix.       Use `.mean()` for every term, or one `.mean()` around their sum; `(x * mask).sum() / mask.sum()`.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.places import reducing
from ppo_audit.probes.reductions import claims_mean, constant_divisor, dividing, token_weights

RULE = Rule(
    code="PPO505",
    name="reduction-is-consistent",
    family="reduction",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "reduction"),
    needs=("direct_call",),
    must_flag=("value_mean_policy_sum", "value_summed", "min_for_max_in_guard"),
)
TERMS = {"log_prob": "policy", "value": "value", "entropy": "entropy"}
SLACK = 0.2  # a sample deviation of 8 against one of 16 changes normalised advantages by 4 %


def check(subject: Subject) -> Violation | None:
    return weighed(subject) if subject.kind == "reduction" else compared(subject)


def compared(subject: Subject) -> Violation | None:
    """Whether the terms of a loss keep their weights when the batch is doubled."""
    divisor = constant_divisor(subject)
    if divisor is not None:
        return Violation(
            "A divisor that is made from a size stays 1, however many samples there are.",
            counterexample={"samples": 8, "got": 1, "want": "a number that grows with the samples"},
            explains=("PPO503",),
            place=divisor,
        )
    factors = growth(subject)
    if len(factors) < 2:
        raise NotApplicable("fewer than two terms have a gradient of their own")
    values = torch.tensor(list(factors.values()), dtype=torch.float64)
    usual = values[0] if len(values) == 2 else values.median()
    odd = [role for role, factor in factors.items() if not abs(factor - float(usual)) <= SLACK * float(usual)]
    return worst(
        Violation(
            f"Doubling the batch changes the weight of the {TERMS[odd[0]] if odd else ''} term against the others.",
            evidence={f"{TERMS[role]}_factor": round(factor, 3) for role, factor in factors.items()},
            explains=("PPO506", "PPO509", "PPO510"),
            place=reducing(subject, TERMS[odd[0]]) if odd else None,
        ),
        unless=torch.tensor([role not in odd for role in factors]),
        got=values,
        want=float(usual),
    )


def weighed(subject: Subject) -> Violation | None:
    """Whether valid entries weigh alike, by one of three counts, and in a mean by one in total."""
    weights, keep = token_weights(subject)
    counts = (torch.ones_like(weights), keep.sum(-1, keepdim=True), keep.sum(0, keepdim=True))
    shares = [(weights * count)[keep] for count in counts]
    got = min(shares, key=lambda share: float(share.max() - share.min()))
    is_even = (got - got.mean()).abs() <= 1e-4 * got.abs().max()
    total = weights[keep].sum()
    problem = "The valid entries do not weigh alike." if not is_even.all() else "The weights of a mean are not one."
    return worst(
        Violation(
            problem, evidence={"sum_of_weights": float(total)}, explains=("PPO502", "PPO506"), place=dividing(subject)
        ),
        unless=is_even & (((total - 1).abs() <= 1e-3) | torch.tensor(not claims_mean(subject))),
        got=got if not is_even.all() else total.expand_as(got),
        want=float(got.median()) if not is_even.all() else 1.0,
    )


def growth(subject: Subject) -> dict[str, float]:
    """By which factor the gradient of a sample changes when the batch is doubled, for each input that has one."""
    once = subject.rows(8)
    twice = {
        role: torch.cat([value, value]) if isinstance(value, torch.Tensor) else value for role, value in once.items()
    }
    small, large = (subject.direct.observe(batch) for batch in (once, twice))
    found = {}
    for role in TERMS:
        before, after = (seen.gradients.get(role, torch.zeros(1)).abs().median() for seen in (small, large))
        if bool(before > 0):
            found[role] = float(after / before)
    return found
