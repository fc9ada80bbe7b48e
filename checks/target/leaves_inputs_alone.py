"""The caller's tensors are the same after the call as before.

Property.  No tensor that the target is given is changed in place.
Why.       One minibatch serves several epochs, and targets are made from the same advantages. Normalised in place they
           are normalised again in the next epoch, and returns made later are wrong by the mean that is gone. The
           objective of Schulman et al. 2017, arXiv:1707.06347, algorithm 1, holds the advantages fixed over its K
           epochs.
Applies.   Functions that are called; a recording holds its own copies.
Tested.    Every tensor of one batch, with masked entries where there is a mask, bit by bit before and after one call.
Severity.  Serious: from the second epoch on the loss works on other data than was collected.
Fix.       Write `x = x - x.mean()` in place of `x -= x.mean()` and of `x.sub_(...)`; clone what has to be written
           into.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO003",
    name="leaves-inputs-alone",
    family="target",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "kl", "entropy", "reduction"),
    needs=("direct_call",),
    must_flag=("normalises_in_place", "masks_in_place"),
)


def check(subject: Subject) -> Violation | None:
    direct = subject.direct
    batch = direct.batch(ragged=True)
    run = direct.observe(batch).run
    changed = direct.changed(run, batch)
    for role, (before, after) in changed.items():
        return worst(
            Violation(
                f"The target writes into the `{role}` that it is given.",
                evidence={"changed": list(changed)},
                site="effective_advantage",
                signature=role,
                place=direct.writing(run, role),
            ),
            unless=(before == after).flatten(),
            entry=torch.arange(before.numel()),
            got=after.flatten(),
            want=before.flatten(),
        )
    return None
