"""Each step of an optimizer uses the gradients of its own minibatches, whole, once, and clipped before it.

Property.  Between two steps the gradients are cleared before new ones are added; nothing clears them between backward
           pass and step; clipping stands between the two; k minibatches that share a step are averaged.
Why.       Without clearing, each step repeats all earlier gradients: a momentum nobody chose, on samples of old
           policies. Gradients that are clipped after the step, or before the pass, are not clipped. k mean losses whose
           gradients are added are a mean loss with a k-fold step for a plain optimizer, and meet a clipping of the norm
           k times too early. The order is part of the algorithm: Engstrom et al. 2020, arXiv:2005.12729, section 3.
Applies.   Trainers with optimizers of torch. A clipping that was imported before the recording began is not seen.
Tested.    The recorded order of passes, clippings and steps; a few gradients of each optimizer, bit for bit; and, where
           passes share a step, the weight of a sample at ratio one times the number of rows.
Severity.  Serious: the step is not the one that the loss asks for. A missing average is potential where the optimizer
           is indifferent to the scale of gradients and nothing clips their norm.
Fix.       for each step: zero_grad(); (loss / k).backward(), k times; clip_grad_norm_(); step().
"""

from ppo_audit import Rule, Severity, Subject, Violation
from ppo_audit.probes.loop import loop_of
from ppo_audit.probes.steps import late_clipping, place_of, shared_step, wrong_gradients

RULE = Rule(
    code="PPO907",
    name="step-discipline",
    family="trainer",
    severity=Severity.SERIOUS,
    kinds=("trainer",),
    needs=("loop",),
)
MESSAGES = {
    "stale": "Gradients are not cleared between two steps: each step uses those of all minibatches before it as well.",
    "missing": "Gradients are cleared between the backward pass and the step, which then has none.",
}


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    for kind, message in MESSAGES.items():
        found = wrong_gradients(loop, kind)
        if found is not None:
            return Violation(
                message,
                counterexample={"step": found.step, "gradients": kind},
                severity=Severity.CRITICAL if kind == "missing" else None,
                signature=kind,
                place=place_of(found.event),
            )
    late = late_clipping(loop)
    if late is not None:
        return Violation(
            "Gradients are clipped when they have been used: after the step, or before the pass that makes them.",
            counterexample={"order": late.order},
            signature="clipping",
            place=place_of(late.event),
        )
    return _not_averaged(subject)


def _not_averaged(subject: Subject) -> Violation | None:
    found = shared_step(subject)
    if found is None or found.passes < 2 or abs(found.weight - 1) > 1e-3:
        return None
    return Violation(
        f"{found.passes} minibatches share a step, and each counts as if it were alone: their mean losses are added.",
        counterexample={"passes_a_step": found.passes, "got": found.weight, "want": 1 / found.passes},
        evidence={"optimizer": found.optimizer, "gradient_norm_is_clipped": found.is_clipped},
        severity=Severity.POTENTIAL if found.is_indifferent else None,
        signature="not averaged",
        place=place_of(found.event),
    )
