"""The clipped value loss is never below the unclipped one.

Property.  With V_clip = V_old + clip(V - V_old, -c, c): per sample the loss is max(l(V - R), l(V_clip - R)), both
           against the same unclipped target R, so that  loss(V, V_old, R) >= loss(V, V, R). Where the unclipped error
           is the larger one, and where V = V_old, the gradient is that of the unclipped loss.
Why.       The maximum is what makes the clip pessimistic. With a minimum, or with the clipped error alone, a prediction
           that left the band has no gradient even when it ran away from the target, and the critic stays wrong.
           openai/baselines ppo2, https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py#L72.
Applies.   Losses that take old values and a clip range for them, or were seen to clamp the value; whatever the critic.
Tested.    48 triples of old value, value and target, on both sides of the band and of the target, each alone in a
           batch; and four predictions beyond the band that equal their target: only the clipped error, against the
           target as given, is not zero. The gradients of six errors, inside the band and beyond it on the far side.
Severity.  Serious: the critic's gradient vanishes for an ordinary class of samples.
Fix.       Take torch.max(loss_unclipped, loss_clipped) element by element, then the mean.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import clipped_value, near_and_far

RULE = Rule(
    code="PPO302",
    name="value-clip-takes-max",
    family="value",
    severity=Severity.SERIOUS,
    needs=("value", "value_clip", "role:return_"),
    must_flag=("min_for_max", "clipped_value_alone", "clipped_target", "value_branch_detached"),
)


def check(subject: Subject) -> Violation | None:
    moves = torch.tensor([-3.0, -1.5, -0.05, 0.05, 1.5, 3.0], dtype=torch.float64)
    targets = torch.tensor([-4.0, -2.0, -0.7, -0.01, 0.01, 0.7, 2.0, 4.0], dtype=torch.float64)
    move, target = torch.cartesian_prod(moves, targets).T
    clipped = subject.value_losses(move, torch.zeros_like(move), target)
    unclipped = subject.value_losses(move, move, target)
    return _below(subject, move, target, clipped, unclipped) or _without_effect(subject) or _torn(subject)


def _below(
    subject: Subject, move: torch.Tensor, target: torch.Tensor, clipped: torch.Tensor, unclipped: torch.Tensor
) -> Violation | None:
    return worst(
        Violation("The clipped value loss is below the unclipped one: there is no maximum.", site=_site(subject)),
        unless=clipped >= unclipped - 1e3 * subject.tolerance * (1 + unclipped.abs()),
        old_value=0.0,
        value=move,
        target=target,
        got=clipped,
        want=unclipped,
    )


def _without_effect(subject: Subject) -> Violation | None:
    """Predictions beyond the band and on their target: the clipped error counts, unless the target was clipped too."""
    value = torch.tensor([-6.0, -3.0, 3.0, 6.0], dtype=torch.float64)
    seen = clipped_value(subject, value, torch.zeros_like(value)) if _is_recorded(subject) else None
    if seen is None or seen.values.shape != value.shape:
        return None
    losses = subject.value_losses(value, torch.zeros_like(value), value)
    return worst(
        Violation(
            "A prediction off the band, on its target, has no loss: the target is clipped.", site="clipped_error"
        ),
        unless=(losses > 0) | (seen.values == value),
        old_value=0.0,
        value=value,
        target=value,
        got=losses,
        want="a loss, since the clipped prediction is off the target",
    )


def _torn(subject: Subject) -> Violation | None:
    """Inside the band both errors are one, and autograd gives each branch half: one that is detached takes its half."""
    if "scalar_critic" not in subject.profile.claims:
        return None
    error, inside, beyond = near_and_far(subject)
    return worst(
        Violation("One error has two gradients, inside the band and beyond it.", site="clipped_error"),
        unless=(inside - beyond).abs() <= 1e3 * subject.tolerance * torch.maximum(inside.abs(), beyond.abs()),
        error=error,
        got=inside,
        want=beyond,
    )


def _is_recorded(subject: Subject) -> bool:
    claims = "scalar_critic" in subject.profile.claims
    return claims and "quantile_clip" in subject.anatomy.sites and subject.capacity is None


def _site(subject: Subject) -> str:
    """The choice between the errors; without one, what averages the clipped error, or, fused with it, the clip."""
    sites = subject.anatomy.sites
    if "value_choice" in sites:
        return "value_choice"
    reduction = sites.get("value_reduction")
    return "value_reduction" if reduction is not None and reduction.name in ("mean", "sum") else "value_clip"
