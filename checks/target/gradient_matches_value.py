"""The gradient is the derivative of the value.

Property.  Away from kinks: for every input x and several directions u, u . d loss / d x by autograd equals
           (loss(x + h u) - loss(x - h u)) / 2 h.
Why.       A backward pass written by hand is a second implementation of the loss, which nobody compares with the first.
           PyTorch's own check does, https://github.com/pytorch/pytorch/blob/v2.13.0/torch/autograd/gradcheck.py; all
           rules that read gradients trust it. Schulman et al. 2017, arXiv:1707.06347, eq. 9 is differentiable away from
           its kinks.
Applies.   Losses with an autograd function of their own, in float64. Where a value is detached on the way to the loss,
           value and gradient differ by design, and PPO008 judges.
Tested.    Two ordinary batches, three random directions for each differentiable input, h = 1e-6; a mismatch must show
           on both.
Severity.  Critical: the optimiser follows something else than the loss that is logged.
Fix.       Leave the backward pass to autograd, or return grad_output times the derivative.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.differences import custom_backward, slopes, stops_gradients

RULE = Rule(
    code="PPO006",
    name="gradient-matches-value",
    family="target",
    severity=Severity.CRITICAL,
    needs=("direct_call",),
    must_flag=("backward_forgets_ratio",),
)


def check(subject: Subject) -> Violation | None:
    custom = custom_backward(subject)
    if custom is None:
        raise NotApplicable("the loss has no backward pass of its own: autograd made the gradient")
    if subject.computes_in != torch.float64 or stops_gradients(subject):
        raise NotApplicable("values are detached or rounded on the way to the loss")
    batches = [slopes(subject, seed) for seed in (0, 1)]
    for role in batches[0]:
        fits = [
            bool(((got - want).abs() <= 1e-5 * (want.abs() + 1e-3)).all()) for got, want in (b[role] for b in batches)
        ]
        if not any(fits):
            got, want = batches[0][role]
            return worst(
                Violation(
                    f"The gradient for `{role}` is not the derivative of the loss.",
                    explains=("PPO102", "PPO103", "PPO104", "PPO105"),
                    place=custom,
                ),
                unless=(got - want).abs() <= 1e-5 * (want.abs() + 1e-3),
                direction=torch.arange(len(got)),
                got=got,
                want=want,
            )
    return None
