"""Every option that is offered does something.

Property.  For each number and switch that the target takes: another value changes its results on some batch.
Why.       An option that is read nowhere, or not handed on to the helper, is worse than none: its owner sweeps it and
           reports what it does. Andrychowicz et al. 2020, arXiv:2006.05990, measured fifty such choices; most matter
           little, so a dead one is not noticed.
Applies.   Arguments with a default, options of a loss class, numbers that a factory closed over; not what a loss cannot
           show (learning rates, seeds, logging), nor guards against zero and other constants of a module. Not where
           two arguments play one role.
Tested.    Numbers doubled and halved, switches turned, on three batches: ordinary, far apart with masked ends, and with
           log-ratios and errors of several tens; compared bit by bit in the loss, every gradient and everything
           returned. Once more with each argument given that is None by default, if nothing showed.
Severity.  Potential: nothing is wrong until somebody relies on it.
Fix.       Pass the option on, or remove it from the signature.
"""

import re
from collections.abc import Iterator

import torch

from ppo_audit import Batch, NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.options import Option, doubly_played, options, switched_on
from ppo_audit.probes.places import suspect

RULE = Rule(
    code="PPO007",
    name="options-have-effect",
    family="target",
    severity=Severity.POTENTIAL,
    needs=("direct_call",),
    must_flag=("value_clip_ignored", "switch_ignored", "delta_not_forwarded"),
)
ELSEWHERE = re.compile(
    "grad_norm|lr|compile|learning|seed|log(_|$)|verbose|debug|metric|stats|target_kl|gamma|lam|epoch|device|dtype|^eps$|return_"
)


def check(subject: Subject) -> Violation | None:
    if doubly_played(subject):
        raise NotApplicable("two arguments play one role, so that a setting between them may have no effect")
    guards = lambda each: 0 < abs(each.value or 1) <= 1e-5 or each.name.isupper()
    offered = [each for each in options(subject) if not (ELSEWHERE.search(each.name) or guards(each))]
    if not offered:
        raise NotApplicable("the target offers no option that a loss could show")
    names = {each.name for each in offered}
    for each in (subject, *switched_on(subject)):
        names -= living(each, names)
    dead = [each.name for each in offered if each.name in names]
    if not dead:
        return None
    return Violation(
        f"The option `{dead[0]}` has no effect.",
        counterexample={"option": dead[0], "got": "the same results", "want": "other results on some batch"},
        evidence={"without_effect": dead, "with_effect": [each.name for each in offered if each.name not in names]},
        signature=dead[0],
        place=suspect(subject, dead[0]),
    )


def living(subject: Subject, names: set[str]) -> set[str]:
    """Those of the options whose other values show on a batch; none where the subject itself does not run."""
    try:
        shown = [(batch, seen(subject, batch)) for batch in strata(subject) if names]
    except NotApplicable:
        return set()
    return {option.name for option in options(subject) if option.name in names and any(changes(option, shown))}


def changes(option: Option, shown: list[tuple[Batch, list[torch.Tensor]]]) -> Iterator[bool]:
    """Whether the option shows on a batch, for each of its other values; a value that is refused shows."""
    for other in option.others:
        subject = option.at(other)
        for batch, before in shown:
            try:
                after = seen(subject, batch)
            except NotApplicable:
                yield True
                continue
            yield len(after) != len(before) or not all(map(torch.equal, after, before))


def seen(subject: Subject, batch: Batch) -> list[torch.Tensor]:
    """Everything that one call shows: what it returns, and its gradients. NaN counts as zero."""
    observed = subject.direct.observe(batch)
    outputs = (output.detach() for output in observed.run.outputs.values())
    return [tensor.double().nan_to_num() for tensor in (*observed.numbers.values(), *outputs)]


def strata(subject: Subject) -> Iterator[Batch]:
    """Ordinary, far apart, and very far apart batches; sequences end at different places."""
    generator = torch.Generator().manual_seed(3)
    for spread in (0.0, 1.0, 15.0):
        batch = subject.direct.batch(ragged=True)
        for role in ("log_prob", "value", "return_", "advantage", "mean", "logits", "reward"):
            if role in batch and spread:
                noise = torch.randn(batch[role].shape, generator=generator, dtype=torch.float64)
                batch[role] = batch[role] + spread * noise
        yield batch
