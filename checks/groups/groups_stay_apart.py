"""Rewards of one group do not turn the advantages of another.

Property.  Other rewards in one group leave the advantages of all other groups as they are, up to one common positive
           factor.
Why.       A mean that is computed group by group and then repeated in the wrong order compares answers to one prompt
           with the mean of another. Advantages look as they should, mean zero, order of one, and credit nothing. Shao
           et al. 2024, arXiv:2402.03300, section 4.1.2. The factor: a deviation over the whole batch is a design in
           use (`scale_rewards="batch"`), which changes sizes and no direction.
Applies.   Losses and helpers that turn rewards of groups into advantages.
Tested.    Four groups of four rewards; one answer of the first group gets another reward.
Severity.  Critical: credit goes to answers by other prompts' rewards.
Fix.       repeat_interleave(G) undoes view(-1, G); repeat(G) undoes view(G, -1). Or keep rewards as (prompts, G).
"""

import torch

from ppo_audit import Credit, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.groups import REWARDS, group_advantages, group_explains, one_changed

RULE = Rule(
    code="PPO802",
    name="groups-stay-apart",
    family="groups",
    severity=Severity.CRITICAL,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("repeat_for_interleave", "rows_and_columns_swapped", "mean_over_the_batch"),
)


def check(judged: Subject | Credit) -> Violation | None:
    before, after = (group_advantages(judged, given)[1:] for given in (REWARDS, one_changed()))
    factor = float((after * before).sum() / (before**2).sum())
    unless = (
        (after - factor * before).abs() <= 1e-3 * before.abs().max() if factor > 0 else torch.zeros_like(before) > 0
    )
    return worst(
        Violation(
            "The reward of an answer in one group changes the advantages of another group.",
            site="centre",
            explains=group_explains(judged, "PPO802"),
        ),
        unless=unless.flatten(),
        reward=REWARDS[1:].flatten(),
        got=after.flatten(),
        want=before.flatten(),
    )
