"""Normalising several groups together must not turn signs round inside a group.

Property.  With groups: the sign of a sample's effective advantage is that of its advantage, or that of its advantage
           above the mean of its own group.
Why.       Groups are tasks or prompts with rewards of their own scale. One mean over all of them makes every sample of
           an easy task good and every sample of a hard one bad, whatever the policy did: the gradient pushes down the
           best attempt at the hard task. Shao et al. 2024, arXiv:2402.03300, section 4.1.2 (statistics of the group).
Applies.   Losses that take group ids and normalise advantages. Sign flips under whole-batch normalisation without
           groups are standard practice and no fault.
Tested.    The groups [0.1 .. 0.5] and [5, 10, 15] in one batch, and the same with signs turned round.
Severity.  Serious: for whole groups the update has the wrong sign.
Fix.       Subtract the mean of the sample's own group, and divide by its deviation or by one deviation of the centred
           batch.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO201",
    name="keeps-signs-within-groups",
    family="advantages",
    severity=Severity.SERIOUS,
    needs=("normalisation", "role:group", "role:advantage"),
    must_flag=("one_statistic_for_all_groups", "global_mean_group_std"),
)
ADVANTAGES = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 5.0, 10.0, 15.0], dtype=torch.float64)
GROUPS = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])


def check(subject: Subject) -> Violation | None:
    advantage = torch.stack([ADVANTAGES, -ADVANTAGES])
    effective = torch.stack([subject.normalised(row, group=GROUPS) for row in advantage])
    centred = torch.stack([above_group_mean(row, GROUPS) for row in advantage])
    kept = (effective * advantage >= 0) | (effective * centred >= 0)
    flipped = int((~kept[0]).sum())
    return worst(
        Violation(
            f"Statistics over all groups turn the sign of {flipped} of {kept.shape[1]} advantages inside their group.",
            evidence={
                "groups": "[0.1, 0.2, 0.3, 0.4, 0.5] and [5, 10, 15]",
                "mean": round(float(ADVANTAGES.mean()), 2),
                "standard_deviation": round(float(ADVANTAGES.std()), 2),
                "effective": [round(number, 2) for number in effective[0].tolist()],
            },
            site="normalisation",
        ),
        unless=kept.flatten(),
        group=GROUPS.repeat(2),
        advantage=advantage.flatten(),
        above_group_mean=centred.flatten(),
        got=effective.flatten(),
    )


def above_group_mean(advantage: torch.Tensor, group: torch.Tensor) -> torch.Tensor:
    """The advantage minus the mean of its own group; rounding noise at the mean counts as zero."""
    means = torch.stack([advantage[group == each].mean() for each in group])
    return torch.where((advantage - means).abs() < 1e-9, 0.0, advantage - means)
