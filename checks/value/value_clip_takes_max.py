"""The clipped value loss is never below the unclipped one.

Property.  With V_clip = V_old + clip(V - V_old, -c, c): per sample the loss is max(l(V - R), l(V_clip - R)), both against the
           same unclipped target R, so that  loss(V, V_old, R) >= loss(V, V, R).
Why.       The maximum is what makes the clip pessimistic. With a minimum, or with the clipped error alone, a prediction that
           left the band has no gradient even when it ran away from the target, and the critic stays wrong.
           openai/baselines ppo2, https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py#L72.
Applies.   Losses that take old values and a clip range for them, or were seen to clamp the value; whatever the critic.
Tested.    48 triples of old value, value and target, on both sides of the band and of the target, each alone in a batch.
Severity.  Serious: the critic's gradient vanishes for an ordinary class of samples.
Fix.       Take torch.max(loss_unclipped, loss_clipped) element by element, then the mean.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO302",
    name="value-clip-takes-max",
    family="value",
    severity=Severity.SERIOUS,
    needs=("value", "value_clip", "role:return_"),
    must_flag=("min_for_max", "clipped_value_alone", "clipped_target"),
)


def check(subject: Subject) -> Violation | None:
    moves = torch.tensor([-3.0, -1.5, -0.05, 0.05, 1.5, 3.0], dtype=torch.float64)
    targets = torch.tensor([-4.0, -2.0, -0.7, -0.01, 0.01, 0.7, 2.0, 4.0], dtype=torch.float64)
    move, target = torch.cartesian_prod(moves, targets).T
    clipped = subject.value_losses(move, torch.zeros_like(move), target)
    unclipped = subject.value_losses(move, move, target)
    return worst(
        Violation(
            "The clipped value loss is smaller than the unclipped one: there is no maximum.",
            site="value_choice" if "value_choice" in subject.anatomy.sites else "value_reduction",
        ),
        unless=clipped >= unclipped - 1e3 * subject.tolerance * (1 + unclipped.abs()),
        old_value=0.0,
        value=move,
        target=target,
        got=clipped,
        want=unclipped,
    )
