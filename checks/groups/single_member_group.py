"""A group of one answer gives a finite advantage.

Property.  One answer to a prompt: its advantage is finite, zero or its reward.
Why.       Filters that drop answers leave groups of one. The sample deviation of one reward is NaN, and leave-one-out
           divides by zero; either reaches every parameter. Ahmadian et al. 2024, arXiv:2402.14740, section 3.3, needs
           two answers.
Applies.   Helpers and losses told which rewards belong together, by ids or by a size that is an argument.
Tested.    Four prompts with one answer each.
Severity.  Potential: groups have one size in most trainers, and it is more than one.
Fix.       std(correction=0), or a floor: advantages of groups of one are zero.
"""

import torch

from ppo_audit import Credit, NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.groups import group_advantages

RULE = Rule(
    code="PPO806",
    name="single-member-group",
    family="groups",
    severity=Severity.POTENTIAL,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("one_answer_sample_std",),
)


def check(judged: Subject | Credit) -> Violation | None:
    if "group" not in judged.available and "group_size" not in judged.available:
        raise NotApplicable("the target is not told which rewards belong together")
    reward = torch.tensor([[0.0], [1.0], [0.3], [-2.0], [0.5], [0.7], [1.5], [-1.0]], dtype=torch.float64)
    advantage = group_advantages(judged, reward)
    return worst(
        Violation("A group of one answer has an advantage that is not finite.", site="spread"),
        unless=advantage.isfinite().flatten(),
        reward=reward.flatten(),
        got="nan or inf",
        want="finite",
    )
