"""The worst predictions keep a gradient.

Property.  With V = V_old: d loss / d V != 0 for every error V - R from 0.1 to 1000, of both signs.
Why.       A clamp of the squared error bounds the loss, and makes it constant beyond the bound: exactly the predictions
           that are wrong by most are never corrected. RLlib clamps so since it replaced the clip of openai/baselines,
           https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py, and documents a bound that large
           returns exceed. Huber and quantile losses bound the slope and not the loss.
Applies.   Losses with a value term whose target is given.
Tested.    64 errors of both signs around a prediction of 0, all of them in one batch.
Severity.  Serious: the critic cannot leave a bad start, and advantages inherit its error.
Fix.       Bound the slope, with a Huber loss, or the gradient's norm; not the loss.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO304",
    name="value-loss-saturates",
    family="value",
    severity=Severity.SERIOUS,
    needs=("value", "role:return_"),
    must_flag=("squared_error_clamped", "error_clamped"),
)


def check(subject: Subject) -> Violation | None:
    size = torch.logspace(-1, 3, 32, dtype=torch.float64)
    target = torch.cat([size, -size])
    nothing = torch.zeros_like(target)
    roles = {"value": nothing, "return_": target} | ({"old_value": nothing} if "old_value" in subject.available else {})
    gradient = subject.term("value").gradient("value", **roles).reshape(64, -1).abs().sum(-1)
    if not bool((gradient[size.repeat(2) < 0.2] != 0).all()):
        raise NotApplicable("small errors have no gradient either (PPO301)")
    return worst(
        Violation("Beyond some error the value loss has no gradient.", site="value", explains=("PPO301",)),
        unless=gradient != 0,
        error=-target,
        got=gradient,
        want="not 0",
    )
