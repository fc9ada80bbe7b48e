"""Boolean, integer and floating-point masks mean the same.

Property.  A mask of 0 and 1 gives the same loss and gradients whether it is boolean, integer or floating-point.
Why.       `~mask` is -1 or -2 on integers and an error on floats, `1 - mask` an error on booleans, and an integer mask used as an
           index picks rows 0 and 1. Tokenizers give integers, comparisons booleans, and `.to(dtype)` floats. The mask selects
           tokens, Yu et al. 2025, arXiv:2503.14476, eq. 8, and selecting has one meaning.
Applies.   Losses that take a mask.
Tested.    One batch with sequences of one to five tokens and its mask in all three forms.
Severity.  Potential: an error is loud, and a caller that always passes one form never meets the others.
Fix.       mask = mask.bool() in the first line, or `mask.to(loss.dtype)` before it multiplies.
"""

import dataclasses

import torch

from ppo_audit import Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO511",
    name="mask-dtype",
    family="mask",
    severity=Severity.POTENTIAL,
    needs=("role:mask", "direct_call"),
    must_flag=("tilde_on_a_number", "one_minus_bool"),
)
FORMS = {torch.bool: "boolean", torch.int64: "integer", torch.float64: "floating-point"}


def check(subject: Subject) -> Violation | None:
    batch, masked = subject.direct.ragged_batch()
    own = subject.layout.mask_dtype
    first = subject.direct.observe(batch)
    for dtype, name in FORMS.items():
        if dtype == own:
            continue
        other = dataclasses.replace(subject, layout=dataclasses.replace(subject.layout, mask_dtype=dtype)).direct
        given = {**batch, "mask": other.mask((~masked).double())}
        error = other.raised(given)
        if error is not None:
            return Violation(
                f"With {FORMS[own]} masks the target runs; with {name} ones {error}.",
                counterexample={"mask": name},
                signature=name,
                place=error.place,
            )
        second = other.observe(given)
        moved = first.moved(second, subject.tolerance)
        if moved:
            return Violation(
                f"With {name} masks {moved[0]} is not what it is with {FORMS[own]} ones.",
                counterexample={"mask": name, "got": second.loss.item(), "want": first.loss.item()},
                signature=name,
                place=other.parting(first.run, second.run, lambda a, b: a.shape == b.shape and torch.equal(a.double(), b.double())),
            )
    return None
