"""The order of the samples does not matter.

Property.  Permuting all inputs alike leaves the loss as it is and permutes the gradients in the same way.
Why.       The loss is an expectation over samples, Schulman et al. 2017, arXiv:1707.06347, eq. 9. Where it depends on
           their order, one input is shifted or reversed against the others, a sample is dropped, or a weight follows
           the position: credit goes to actions that did not earn it.
Applies.   Flat data, and sequences as wholes. Not losses that turn rewards into advantages: those rows have an order.
Tested.    Eight samples, or sequences of five tokens, in four orders; the loss to rounding, every gradient row by row.
Severity.  Critical: advantages meet other samples' actions.
Fix.       Index all tensors of a minibatch with the same indices, once, and reverse or roll none of them alone.
"""

from functools import partial

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO504",
    name="order-does-not-matter",
    family="reduction",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "reduction"),
    must_flag=("advantages_reversed", "last_sample_dropped", "weights_by_position"),
)
ORDERED = frozenset(("reward", "done", "terminated", "next_value"))


def check(subject: Subject) -> Violation | None:
    if ORDERED & subject.available:
        raise NotApplicable(
            "rewards are turned into advantages inside: their rows are steps or groups, and have an order"
        )
    if subject.anatomy.is_split:
        raise NotApplicable("rows are of two kinds by their place in the batch")
    direct = subject.direct
    batch = direct.batch(ragged=True)
    first = direct.observe(batch)
    for seed in range(4):
        order = torch.randperm(direct.rows, generator=torch.Generator().manual_seed(seed))
        second = direct.observe({role: rows(value, order) for role, value in batch.items()})
        moved = first.reordered(order).moved(second, subject.tolerance)
        if moved:
            return Violation(
                f"Another order of the same samples changes {moved[0]}.",
                counterexample={"order": order.tolist(), "got": second.loss.item(), "want": first.loss.item()},
                evidence={"changed": moved},
                explains=("PPO104", "PPO204", "PPO206", "PPO505", "PPO506", "PPO507"),
                place=direct.parting(first.run, second.run, partial(corresponds, order=order)),
            )
    return None


def rows(value: torch.Tensor | float, order: torch.Tensor) -> torch.Tensor | float:
    return value[order] if isinstance(value, torch.Tensor) else value


def corresponds(one: torch.Tensor, two: torch.Tensor, order: torch.Tensor) -> bool:
    """Whether the second is the first, as a whole or row by row in the new order."""
    if one.shape != two.shape:
        return False
    one, two = one.double().nan_to_num(), two.double().nan_to_num()
    has_rows = one.dim() > 0 and len(one) == len(order)
    return torch.allclose(one, two, rtol=1e-6) or (has_rows and torch.allclose(one[order], two, rtol=1e-6))
