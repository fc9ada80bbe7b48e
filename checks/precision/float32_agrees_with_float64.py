"""In float32 the gradients are those of float64.

Property.  For advantages, or values and returns, that lie around 4096 with spread 1, all exact in float32: every
           gradient is within 2 % of the largest one in float64, and the loss within 2 % of 1 + |loss|.
Why.       E[x^2] - E[x]^2 and V^2 - 2 V R + R^2 subtract numbers of size 10^7 to get one of size 1, of which float32
           keeps no digit; x - mean(x) and V - R are exact here. Returns of that size are ordinary where rewards are not
           scaled. The difference (V - R)^2 stands so in Schulman et al. 2017, arXiv:1707.06347, eq. 9; Welford 1962 for
           the variance.
Applies.   Functions that are called and compute in the dtype that they are given.
Tested.    Sixteen samples, ordinary, with advantages around 4096, and with values and returns there; in both
           precisions, all log-ratios within the clip.
Severity.  Serious: gradients are noise, or NaN, as soon as returns are large.
Fix.       Subtract first, square then: ((x - x.mean()) ** 2).mean(), (V - R) ** 2.
"""

import torch

from ppo_audit import Batch, NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO702",
    name="float32-agrees-with-float64",
    family="precision",
    severity=Severity.SERIOUS,
    needs=("direct_call",),
    must_flag=("variance_by_difference", "square_expanded"),
)
ROWS, OFFSET, TOLERANCE = 16, 4096.0, 2e-2
SHIFTED = ((), ("advantage", "reward"), ("value", "old_value", "return_"))
GRID = 64  # multiples of 1 / 64 below 2^18 / 64 are exact in float32, and so are their sums
NORMALISED = ("PPO202", "PPO203", "PPO704")
EXPANDED = ("PPO008", "PPO301", "PPO704")  # in V^2 - 2 V R + R^2 a target meets the prediction twice


def check(subject: Subject) -> Violation | None:
    if subject.computes_in != torch.float64:
        raise NotApplicable(f"the target computes in {subject.computes_in} whatever it is given")
    for shifted in SHIFTED:
        batch = _batch(subject, shifted)
        wide, narrow = (each.direct.observe(batch).numbers for each in (subject, subject.in_float32))
        for name, reference in wide.items():
            violation = _compared(name, reference, narrow[name], shifted)
            if violation is not None:
                return violation
    return None


def _compared(name: str, wide: torch.Tensor, narrow: torch.Tensor, shifted: tuple[str, ...]) -> Violation | None:
    """One number, or one gradient, in both precisions."""
    want, got = wide.reshape(-1).double(), narrow.reshape(-1).double()
    scale = want.abs().max() + (1.0 if name == "loss" else 0.0)
    cancelled = 16 * torch.finfo(torch.float32).eps * OFFSET / ROWS  # a sum of terms of that size may be 0
    return worst(
        Violation(
            f"In float32 {name} is not what it is in float64.",
            site="value" if "value" in shifted else "effective_advantage",
            explains=EXPANDED if "value" in shifted else NORMALISED,
        ),
        unless=(got - want).abs() <= TOLERANCE * scale + cancelled,
        around=OFFSET if shifted else 0.0,
        entry=torch.arange(len(want)),
        got=got,
        want=want,
    )


def _batch(subject: Subject, shifted: tuple[str, ...]) -> Batch:
    """Ordinary rows whose numbers are multiples of 1 / 64; those of some roles around the offset."""
    batch: Batch = subject.direct.subject.rows(ROWS)
    for role, value in batch.items():
        if isinstance(value, torch.Tensor) and value.is_floating_point() and role != "mask":
            batch[role] = torch.round(value * GRID) / GRID + (OFFSET if role in shifted else 0.0)
    return batch
