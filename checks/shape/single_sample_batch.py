"""A batch of one sample is a batch.

Property.  The loss of one sample is that of four copies of it (a quarter of it for a loss that sums), and it runs.
Why.       `squeeze()` without a dimension takes every axis of size one, the batch axis too: the last minibatch then
           fails, or broadcasts into something else. https://github.com/rlworkgroup/garage/issues/1209 is one of many;
           the loss is a mean over samples, however many, Schulman et al. 2017, arXiv:1707.06347, eq. 9.
Applies.   Functions that are called, with the effective advantage: what normalising makes of one sample is PPO202.
           Where the target refuses one sample openly it is PPO001.
Tested.    One sample, on sequences one of one token and of five, against four copies.
Severity.  Serious: the remainder minibatch of an epoch stops the run or is trained on wrongly.
Fix.       Name the dimension: `squeeze(-1)`.
"""

import dataclasses

import torch

from ppo_audit import Batch, Location, NotApplicable, Rule, Severity, Subject, TargetRaised, Violation
from ppo_audit.probes.reductions import divides_by_spread, squeezes

RULE = Rule(
    code="PPO509",
    name="single-sample-batch",
    family="shape",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "reduction"),
    needs=("direct_call",),
    must_flag=("squeeze_eats_batch_of_one", "logits_squeezed"),
)
COPIES = 4


def check(subject: Subject) -> Violation | None:
    if "reward" in subject.available:
        raise NotApplicable("rewards come in whole groups")
    if divides_by_spread(subject) or subject.anatomy.is_filtered:
        raise NotApplicable("the loss depends on a spread or a rank in the batch, which one sample has none of")
    if subject.anatomy.is_split:
        raise NotApplicable("rows are of two kinds by their place in the batch")
    longer = dataclasses.replace(subject, layout=subject.direct.in_tokens(5).layout)
    for each in (subject, longer) if longer.layout != subject.layout else (subject,):
        violation = _judged(each, squeezes(subject))
        if violation is not None:
            return violation
    return None


def _judged(subject: Subject, squeeze: Location | None) -> Violation | None:
    """One sample against copies of it; a refusal counts where the target drops axes of size one."""
    one = _one(subject)
    many = {
        role: value.expand(COPIES, *value.shape[1:]).clone() if isinstance(value, torch.Tensor) else value
        for role, value in one.items()
    }
    try:
        alone, copied = (float(subject.run(batch).loss.detach()) for batch in (one, many))
    except TargetRaised as error:
        if squeeze is None:
            raise
        message = f"One sample loses its batch axis: {error}."
        return Violation(message, counterexample={"samples": 1}, explains=("PPO001", "PPO202"), place=squeeze)
    together = min((copied, copied / COPIES), key=lambda value: abs(value - alone))
    if abs(alone - together) <= 1e3 * subject.tolerance * (1 + abs(together)):
        return None
    return Violation(
        "The loss of one sample is not that of copies of it.",
        counterexample={"samples": 1, "got": alone, "want": together},
        explains=("PPO202",),
        place=squeeze,
    )


def _one(subject: Subject) -> Batch:
    """One ordinary sample with an effective advantage of one."""
    known = subject.available | subject.anatomy.cuts.keys()
    credit = {
        role: torch.ones(1, dtype=torch.float64) for role in ("advantage", "effective_advantage") if role in known
    }
    batch: Batch = subject.rows(1, **credit)
    return batch
