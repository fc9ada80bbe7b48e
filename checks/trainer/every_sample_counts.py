"""Each sample is used once an epoch, and all that is known of it stays with it.

Property.  The rows of a minibatch belong together: log-prob, advantage and value target are of the same sample. An
           epoch uses every sample once, and the next epoch the same ones.
Why.       Fields that are shuffled apart credit each action with the advantage of another: the expected gradient is
           zero, and the loss looks as usual. Random rows with replacement never use a third of the samples (1 - 1/e
           are drawn), and a range that ends early never uses the last ones. Schulman et al. 2017, arXiv:1707.06347,
           algorithm 1: epochs over all of the data.
Applies.   Trainers recorded from the start, of losses with a ratio.
Tested.    At the first minibatch: old against new log-probs, and value target less value against advantage, which must
           agree row by row where they agree as sets. In later epochs: who comes back, and whose advantage he brings.
Severity.  Serious: credit goes to the wrong actions. Samples that are used twice or left out are potential.
Fix.       Index all fields by one permutation, drawn once an epoch: `perm = torch.randperm(n)`.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import Reuse, loop_of, reuses, selected_at
from ppo_audit.probes.samples import drawn_twice, epochs, pairs_that_belong

RULE = Rule(
    code="PPO906",
    name="every-sample-counts",
    family="trainer",
    severity=Severity.SERIOUS,
    kinds=("trainer",),
    needs=("loop",),
)
SAME = 1e-4


def check(subject: Subject) -> Violation | None:
    return _misaligned(subject) or _swapped(subject) or _left_out(subject)


def _misaligned(subject: Subject) -> Violation | None:
    """Two fields that agree as sets and not row by row."""
    for role, one, two in pairs_that_belong(loop_of(subject)):
        if _is_permuted(one, two):
            return _elsewhere(subject, role, one, two, "in the first minibatch")
    return None


def _swapped(subject: Subject) -> Violation | None:
    """The same samples with each other's advantages in a later epoch."""
    for role in ("advantage", "return_"):
        parts = [reuse.of(role) for reuse in _reuses(subject) if reuse.has(role)]
        if parts:
            one, two = (torch.cat([part[side].flatten() for part in parts]) for side in (0, 1))
            if _is_permuted(one, two):
                return _elsewhere(subject, role, two, one, "in a later epoch")
    return None


def _reuses(subject: Subject) -> list[Reuse]:
    try:
        return reuses(loop_of(subject))
    except NotApplicable:
        return []


def _left_out(subject: Subject) -> Violation | None:
    drawn = drawn_twice(subject, "advantage")
    if drawn:
        return Violation(
            "Samples are drawn with replacement: some are used twice in a minibatch, and others never.",
            counterexample={"index": drawn[0], "times_in_one_minibatch": drawn[1]},
            severity=Severity.POTENTIAL,
            signature="replacement",
            place=selected_at(subject, "advantage"),
        )
    first, second = epochs(loop_of(subject))
    missing, twice = len(second - first), len(first - second)
    if not missing or not twice:
        return None
    return Violation(
        "An epoch does not use every sample: some come in the second that the first left out.",
        counterexample={"only_in_the_first": twice, "only_in_the_second": missing, "in_both": len(first & second)},
        severity=Severity.POTENTIAL,
        signature="left out",
        place=selected_at(subject, "advantage"),
    )


def _is_permuted(one: torch.Tensor, two: torch.Tensor) -> bool:
    close = lambda a, b: bool(((a - b).abs() <= SAME * (1 + b.abs())).all())
    return one.unique().numel() > 3 and close(one.sort().values, two.sort().values) and not close(one, two)


def _elsewhere(subject: Subject, role: str, got: torch.Tensor, want: torch.Tensor, when: str) -> Violation:
    row = int((got - want).abs().argmax())
    return Violation(
        f"Rows are misaligned: {when} a sample has the {role.strip('_').replace('_', ' ')} of another one.",
        counterexample={"sample": row, "got": float(got[row]), "want": float(want[row])},
        signature=f"misaligned {role}",
        explains=("PPO901", "PPO903", "PPO908"),
        place=selected_at(subject, role),
    )
