"""A batch without a single valid token gives a finite loss.

Property.  With every entry masked, or every entry of one sequence, the loss and its gradients are finite.
Why.       Overlong responses are masked as a whole (DAPO, Yu et al. 2025, arXiv:2503.14476, section 3.4), and a rank
           or a micro-batch may get nothing else. 0 / 0 is NaN, and all-reduce hands it to every rank:
           volcengine/verl#782.
Applies.   Losses that take a mask. A loss that returns a constant for such a batch passes: there is nothing to learn.
           One that refuses it by an exception of its own is not judged: nobody overlooks that.
Tested.    Eight sequences of five tokens, all of them masked; then one of the eight.
Severity.  Potential: it takes a batch that many trainers never make.
Fix.       Divide by `mask.sum().clamp(min=1)`; for means per sequence clamp the length of each sequence.
"""

import torch

from ppo_audit import Batch, Direct, NotApplicable, Rule, Severity, Subject, TargetRaised, Violation

RULE = Rule(
    code="PPO503",
    name="all-masked-is-finite",
    family="mask",
    severity=Severity.POTENTIAL,
    kinds=("loss", "trainer", "reduction"),
    needs=("role:mask",),
    must_flag=("sequence_guard_lost", "token_guard_lost", "empty_mean"),
)


def check(subject: Subject) -> Violation | None:
    direct = subject.direct
    batch = direct.batch()
    everything = torch.zeros(direct.mask_shape)
    one_sequence = torch.ones(direct.mask_shape)
    one_sequence[0] = 0
    refusal: TargetRaised | None = None
    for name, keep in (("every entry", everything), ("one sequence", one_sequence)):
        masked = {**batch, "mask": direct.mask(keep)}
        error = direct.raised(masked)
        if error is not None and keep is everything and error.is_refusal:
            refusal = error
            continue
        if error is not None:
            return Violation(f"With {name} masked {error}.", counterexample={"masked": name}, place=error.place)
        if direct.is_constant(masked):
            continue
        violation = _not_finite(direct, name, masked)
        if violation is not None:
            return violation
    if refusal is not None:
        raise NotApplicable(f"the target refuses a batch without a valid token: {refusal}")
    return None


def _not_finite(direct: Direct, name: str, masked: Batch) -> Violation | None:
    """Whether the loss or a gradient is not finite on a batch with these entries masked."""
    seen = direct.observe(masked)
    if seen.is_finite:
        return None
    return Violation(
        f"With {name} masked {seen.non_finite[0]} is not finite.",
        counterexample={"masked": name, "got": seen.loss.item(), "want": "finite"},
        evidence={"not_finite": seen.non_finite},
        place=direct.turning_non_finite(seen.run),
    )
