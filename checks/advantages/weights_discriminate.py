"""The weights of a cloning term tell good samples from bad ones.

Property.  For A ~ N(0, 1) the weights w(A) = |d cloning term / d log_prob| have an effective sample share (sum w)^2 /
           (N sum w^2) of at most 0.9, and at most 5 % of the samples stand at the cap.
Why.       exp(A / T) with T = 5 on normalised advantages lies between 0.67 and 1.49 for 95 % of the samples: nearly
           plain imitation of everything, good or bad. With T = 0.05 a fraction of the samples is at the cap and the
           rest at zero. Peng et al. 2019, arXiv:1910.00177, section 3 (T = 1 on normalised advantages has a share of
           0.37).
Applies.   Losses with an advantage-weighted cloning term beside the policy term. Weights of two levels (a filter) pass.
Tested.    1001 quantiles of the normal distribution as effective advantages. Both bounds stand in
           `ppo_audit.thresholds`.
Severity.  Potential: a choice of temperature whose effect one should know.
Fix.       Lower the temperature (about 1 for normalised advantages), and set the cap where few samples reach it.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO207",
    name="weights-discriminate",
    family="advantages",
    severity=Severity.POTENTIAL,
    needs=("cloning", "role:advantage"),
    must_flag=("weights_nearly_flat", "weights_saturated"),
)


def check(subject: Subject) -> Violation | None:
    levels = torch.linspace(0, 1, 1003, dtype=torch.float64)[1:-1]
    weight = weights(subject, torch.special.ndtri(levels))
    share = float(weight.sum() ** 2 / (len(weight) * (weight**2).sum()))
    capped = float((weight >= 0.999 * weight.max()).double().mean()) if len(weight.unique()) > 2 else 0.0
    shown = torch.tensor([0.0, 2.0, 3.0, 23.0, -2.0], dtype=torch.float64)
    at = [float(f"{number:.3g}") for number in weights(subject, shown).tolist()]
    is_flat = not share <= subject.limits["flat_weights"]
    text = (
        f"nearly flat: 95 % of them lie in [{at[4]}, {at[1]}]"
        if is_flat
        else f"saturated: {capped:.0%} of them are at the cap"
    )
    return worst(
        Violation(
            f"The weights of the cloning term are {text}.",
            evidence={"effective_share": share, "share_at_cap": capped, "weights_at_0_2_3_23_sigma": at[:4]},
            site="cloning_weights",
        ),
        unless=torch.tensor([not is_flat and capped <= subject.limits["capped_weights"]]),
        advantage=2.0,
        got=at[1],
        want=float(torch.tensor(2.0).exp()),
    )


def weights(subject: Subject, advantage: torch.Tensor) -> torch.Tensor:
    """Weights of samples with these effective advantages, in units of the weight at advantage 0."""
    with_zero = torch.cat([advantage.new_zeros(1), advantage])
    given = {subject.anatomy.advantage_role: with_zero}
    gradient: torch.Tensor = subject.term("cloning").gradient("log_prob", **given).abs()
    return gradient[1:] / gradient[0]
