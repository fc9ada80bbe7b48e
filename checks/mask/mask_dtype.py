"""Boolean, integer and floating-point masks mean the same.

Property.  A mask of 0 and 1 gives the same loss and gradients whether it is boolean, integer or floating-point.
Why.       `~mask` is -1 or -2 on integers and an error on floats, `1 - mask` an error on booleans, and an integer mask
           used as an index picks rows 0 and 1. Tokenizers give integers, comparisons booleans, and `.to(dtype)` floats.
           The mask selects tokens, Yu et al. 2025, arXiv:2503.14476, eq. 8, and selecting has one meaning.
Applies.   Losses that take a mask. A form that the target refuses by an exception of its own is not judged.
Tested.    One batch with sequences of one to five tokens and its mask in all three forms.
Severity.  Potential: an error is loud, and a caller that always passes one form never meets the others.
Fix.       mask = mask.bool() in the first line, or `mask.to(loss.dtype)` before it multiplies.
"""

import dataclasses

import torch

from ppo_audit import Batch, Direct, Observation, Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO511",
    name="mask-dtype",
    family="mask",
    severity=Severity.POTENTIAL,
    kinds=("loss", "trainer", "reduction"),
    needs=("role:mask", "direct_call"),
    must_flag=("tilde_on_a_number", "one_minus_bool"),
)
FORMS = {torch.bool: "boolean", torch.int64: "integer", torch.float64: "floating-point"}


def check(subject: Subject) -> Violation | None:
    batch, masked = subject.direct.ragged_batch()
    first = subject.direct.observe(batch)
    for dtype in [dtype for dtype in FORMS if dtype != subject.layout.mask_dtype]:
        layout = dataclasses.replace(subject.layout, mask_dtype=dtype)
        other = dataclasses.replace(subject, layout=layout).direct
        violation = _compared(other, {**batch, "mask": other.mask((~masked).double())}, first)
        if violation is not None:
            return violation
    return None


def _compared(other: Direct, batch: Batch, first: Observation) -> Violation | None:
    """Whether a mask of another dtype is refused, or gives another result."""
    name = FORMS[other.subject.layout.mask_dtype]
    error = other.raised(batch)
    if error is not None and error.is_refusal:  # it checks the type and says which one it wants
        return None
    if error is not None:
        return Violation(f"With {name} masks {error}.", {"mask": name}, signature=name, place=error.place)
    second = other.observe(batch)
    moved = first.moved(second, other.subject.tolerance)
    if not moved:
        return None
    return Violation(
        f"With {name} masks {moved[0]} is not what it is with others.",
        counterexample={"mask": name, "got": second.loss.item(), "want": first.loss.item()},
        signature=name,
        place=other.parting(first.run, second.run, _same),
    )


def _same(one: torch.Tensor, two: torch.Tensor) -> bool:
    return one.shape == two.shape and torch.equal(one.double(), two.double())
