"""Gradients flow through the new log-prob and the new value, and through nothing that stands for the past.

Property.  In  -w r A  and  (V - R)^2  the advantage A, the weight w of a log-prob, the old log-prob and the target R
           are constants: their derivative with respect to log-prob, value and distribution parameters is zero.
Why.       The policy gradient differentiates log pi, not the estimate of how good the action was: Schulman et al.
           2016, arXiv:1506.02438, eq. 1. With a live advantage the policy loss moves the critic, which makes
           advantages large instead of true; with a live penalty or weight it adds a term that no expectation asks for.
Applies.   Paths that the target makes itself. That it could be differentiated by something it is given is the caller's
           affair.
Tested.    The derivative of every operand that meets the ratio or the log-prob with credit, of the subtrahend in the
           ratio, and of the target of the value loss, by each differentiable input, on eight ordinary samples.
Severity.  Serious: the gradient is biased, and no number that is logged shows it.
Fix.       Detach where the value enters: `advantages = returns - values.detach()`, `ratio.detach()` for a weight, or
           compute what is constant under `torch.no_grad()`.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO008",
    name="stop-gradients",
    family="gradient-flow",
    severity=Severity.SERIOUS,
    must_flag=("advantage_not_detached", "live_penalty_in_advantage"),
)


def check(subject: Subject) -> Violation | None:
    for leak in subject.leaks():
        gradient = leak.gradient.reshape(len(leak.gradient), -1).sum(-1)
        return worst(
            Violation(
                f"A gradient flows to `{leak.role}` through {leak.what}, which should be a constant.",
                site="effective_advantage",
                explains=("PPO102", "PPO103", "PPO104", "PPO106", "PPO206", "PPO301", "PPO510"),
                signature=f"{leak.what} {leak.role}",
                place=leak.place,
            ),
            unless=(leak.gradient == 0).reshape(len(gradient), -1).all(-1),
            sample=torch.arange(len(gradient)),
            got=gradient,
            want=0.0,
        )
    return None
