"""Micro-batches of equal size add up to the batch.

Property.  Split into two halves of equal size, every gradient of the batch is the mean of those of the halves (their
           sum for a loss that sums).
Why.       Gradient accumulation and data-parallel workers compute exactly that. A root over the batch, or a divisor
           that counts the positive advantages, makes the update depend on how the batch was cut. The loss is an
           expectation over samples, Schulman et al. 2017, arXiv:1707.06347, eq. 9.
Applies.   Losses with a policy or value term, with the effective advantage; all tokens valid, so that means over tokens
           and over sequences agree. Not where groups, quantiles or a spread of values couple the samples.
Tested.    Sixteen samples with advantages of both signs, and their halves; with one sign more often in one half.
Severity.  Serious: accumulation changes the gradient.
Fix.       Divide by the number of samples (or valid tokens of the whole batch), and by nothing that the data decides.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.reductions import data_reads, divides_by_spread, gradients_of

RULE = Rule(
    code="PPO506",
    name="microbatches-add-up",
    family="reduction",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "reduction"),
    needs=("direct_call",),
    must_flag=("denominator_follows_advantages", "root_of_mean_square"),
)
COUPLED = ("reward", "group")
ROWS = 16


def check(subject: Subject) -> Violation | None:
    anatomy = subject.anatomy
    if divides_by_spread(subject) or anatomy.is_filtered or anatomy.is_split or subject.available & set(COUPLED):
        raise NotApplicable("groups, a spread, a place or a selection couple the samples of a batch")
    whole = subject.rows(ROWS, **_advantages(subject))
    halves = [_part(whole, part) for part in (slice(0, ROWS // 2), slice(ROWS // 2, ROWS))]
    total, parts = gradients_of(subject, whole), [gradients_of(subject, half) for half in halves]
    for role, gradient in total.items():
        want = gradient.reshape(ROWS, -1).sum(-1).double()
        summed = torch.cat([part[role] for part in parts]).reshape(ROWS, -1).sum(-1).double()
        got = min((summed, 0.5 * summed), key=lambda each: float((each - want).abs().sum()))
        violation = worst(
            Violation(
                f"The gradients for `{role}` of two halves do not add up to that of the batch.",
                site="value" if role == "value" else "policy",
                explains=("PPO301", "PPO505"),
                place=data_reads(subject),
            ),
            unless=(got - want).abs() <= 1e3 * subject.tolerance * want.abs().max(),
            sample=torch.arange(ROWS),
            got=got,
            want=want,
        )
        if violation is not None:
            return violation
    return None


def _advantages(subject: Subject) -> dict[str, torch.Tensor]:
    """Effective advantages of both signs, more positive ones in the second half."""
    advantage = torch.linspace(-1.6, 1.2, ROWS, dtype=torch.float64)
    known = subject.available | subject.anatomy.cuts.keys()
    return {role: advantage for role in ("advantage", "effective_advantage") if role in known}


def _part(batch: dict[str, torch.Tensor | float], part: slice) -> dict[str, torch.Tensor | float]:
    return {role: value[part] if isinstance(value, torch.Tensor) else value for role, value in batch.items()}
