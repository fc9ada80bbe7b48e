"""Where all answers to a prompt earn the same, nothing is learnt from it.

Property.  Equal rewards in a group give advantages of zero, finite, whatever the reward and the size of the group.
Why.       The deviation is zero there, and in most batches some prompt is solved always or never. Without an epsilon
           the group is NaN, and so is the batch; with a tiny one in float32 the rounding of the mean is blown up to
           an advantage of order one. Shao et al. 2024, arXiv:2402.03300, section 4.1.2; TRL adds 1e-4:
           https://github.com/huggingface/trl/blob/f2cd57710/trl/trainer/grpo_trainer.py#L2673
Applies.   Losses and helpers that turn rewards of groups into advantages.
Tested.    Groups of equal rewards 0, 1, 0.1 and -0.7 in float32.
Severity.  Serious: one solved prompt destroys the update.
Fix.       Divide by (std + 1e-4).
"""

import torch

from ppo_audit import Credit, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.groups import group_advantages

RULE = Rule(
    code="PPO803",
    name="equal-rewards-give-zero",
    family="groups",
    severity=Severity.SERIOUS,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("group_epsilon_forgotten",),
)


def check(judged: Subject | Credit) -> Violation | None:
    reward = torch.tensor([0.0, 1.0, 0.1, -0.7], dtype=torch.float64).unsqueeze(1).expand(4, 4)
    advantage = group_advantages(judged.in_float32, reward)
    return worst(
        Violation("Equal rewards in a group do not give advantages of zero.", site="normalisation"),
        unless=(advantage.abs() <= 1e-2).flatten(),
        reward=reward.flatten(),
        got=advantage.flatten(),
        want=0.0,
    )
