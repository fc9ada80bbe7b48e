"""More padding changes nothing.

Property.  Appending masked tokens to every sequence leaves the loss and the gradient of every valid token as they are.
Why.       How long a batch is padded depends on its longest response. A mean over all places, or a length that counts
           them, scales each update by the share of padding in it, and a ratio of a sequence moves with the length of
           its neighbours. Yu et al. 2025, arXiv:2503.14476, eq. 8, divides by the number of tokens of the responses.
Applies.   Losses over tokens with a mask. A constant divisor (Dr. GRPO) passes; means over sequences may count empty
           ones.
Tested.    Eight sequences of one to five tokens; then with three masked tokens more.
Severity.  Serious: the step size and, in a ratio, the clip follow the padding. Potential where the loss is only scaled
           by the padded length and not by empty sequences: then it is a length normaliser that somebody may have
           chosen.
Fix.       Divide by `mask.sum()`, for a sequence by `mask.sum(-1)`.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.padding import lengthened, longer_parting, with_empty_rows

RULE = Rule(
    code="PPO502",
    name="padding-changes-nothing",
    family="mask",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "reduction"),
    needs=("role:mask", "direct_call"),
    must_flag=("mean_counts_padding", "length_counts_padding", "tokens_count_padding"),
)
MORE = 3


def check(subject: Subject) -> Violation | None:
    direct = subject.direct
    batch, masked = direct.ragged_batch()
    if masked.dim() < 2 or masked.shape[1] < 2:
        raise NotApplicable("the mask has no tokens")
    tokens = masked.shape[1]
    first, second = direct.observe(batch), direct.observe(lengthened(batch, masked, MORE))
    pairs = {name: (one, second.numbers[name]) for name, one in first.numbers.items()}
    pairs = {name: (one, two[:, :tokens] if two.shape != one.shape else two) for name, (one, two) in pairs.items()}
    moved = [name for name, (one, two) in pairs.items() if not _close(one, two, subject.tolerance)]
    if not moved:
        return None
    factor = tokens / (tokens + MORE)
    is_scaled = all(_close(factor * one, two, subject.tolerance) for one, two in pairs.values())
    is_chosen = is_scaled and _close(first.loss, direct.observe(with_empty_rows(batch, masked)).loss, subject.tolerance)
    return Violation(
        f"{MORE} masked tokens more change {moved[0]}.",
        counterexample={"masked_tokens_added": MORE, "got": second.loss.item(), "want": first.loss.item()},
        evidence={"changed": moved, "is_scaled_by_the_padded_length": is_scaled},
        severity=Severity.POTENTIAL if is_chosen else Severity.SERIOUS,
        explains=("PPO113",) if is_scaled else (),
        place=longer_parting(subject, first.run, second.run, tokens),
    )


def _close(one: torch.Tensor, two: torch.Tensor, tolerance: float) -> bool:
    return bool(((one - two).abs() <= 10 * tolerance * one.abs().max().clamp_min(1e-6)).all())
