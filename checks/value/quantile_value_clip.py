"""A value clip on a quantile critic changes the distribution it predicts.

Property.  A value clip keeps what a quantile critic is for: the clipped quantiles keep their order, and the ones that
           are within the range of their own old value stay where they are.
Why.       Clipping the mean and shifting all quantiles alike drags the tail with the mean, and a tail statistic (CVaR)
           with it; clipping each quantile by itself may reorder them and keeps the wrong half of the Huber loss. The
           clip was made for one number; there is no settled form for a distribution. Dabney et al. 2017,
           arXiv:1710.10044, section 3.1; Andrychowicz et al. 2020, arXiv:2006.05990, found that clipping values hurts
           at every threshold.
Applies.   Quantile critics with a value clip.
Tested.    Quantiles [6 .. 10] against old ones with mean 3; the same mean with quantiles that each moved differently.
Severity.  Potential: a design with a known cost, to be chosen knowingly.
Fix.       Leave the value clip off for a quantile critic, or bound the step of the critic by its learning rate.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import clipped_quantiles

RULE = Rule(
    code="PPO307",
    name="quantile-value-clip",
    family="value",
    severity=Severity.POTENTIAL,
    needs=("value", "quantiles", "value_clip"),
    must_flag=("quantiles_shift_with_mean",),
)
RISEN = torch.tensor([[6.0, 7.0, 8.0, 9.0, 10.0]], dtype=torch.float64)
OLD = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]], dtype=torch.float64)
STRETCHED = torch.tensor([[1.0, 2.0, 3.0, 4.0, 30.0]], dtype=torch.float64)


def check(subject: Subject) -> Violation | None:
    moved, stretched = clipped_quantiles(subject, RISEN, OLD), clipped_quantiles(subject, STRETCHED, OLD)
    shift = (moved - RISEN).flatten()
    is_joint = bool((shift - shift.mean()).abs().max() <= 1e-9) and bool(shift.abs().max() > 0)
    text = (
        "shifts all quantiles alike, the tail with the mean"
        if is_joint
        else "moves each quantile by itself, and may reorder them"
    )
    return worst(
        Violation(
            f"The value clip {text}.",
            evidence={"quantiles": RISEN.tolist()[0], "clipped": moved.tolist()[0], "old": OLD.tolist()[0]},
            site="quantile_clip",
            explains=("PPO306",),
        ),
        unless=torch.tensor([not is_joint and _keeps(stretched)]),
        quantiles=RISEN,
        old_quantiles=OLD,
        got=moved,
        want="the quantiles unchanged, or a loss for distributions",
    )


def _keeps(clipped: torch.Tensor) -> bool:
    """Whether only the quantile that left its band was moved, without passing another."""
    unmoved = bool((clipped[:, :4] == STRETCHED[:, :4]).all())
    return unmoved and bool((clipped.diff() >= 0).all()) and bool(clipped[0, 4] == STRETCHED[0, 4])
