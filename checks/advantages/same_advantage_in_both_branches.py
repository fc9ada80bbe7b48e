"""The unclipped and the clipped branch weigh a sample with the same advantage.

Property.  log_prob = old_log_prob => r A = clip(r) A for every sample: at ratio 1 the two operands of the minimum are
           equal.
Why.       The minimum compares two surrogates of one sample. With the raw advantage in one and the normalised one in
           the other it compares sizes of different things: the branch is chosen by the unit of reward, and the clip
           acts at random. Schulman et al. 2017, arXiv:1707.06347, eq. 7.
Applies.   Losses that take the minimum or maximum of two products of ratio and advantage.
Tested.    Eight samples at ratio 1, advantages between -2 and 3.
Severity.  Serious: which branch counts has nothing to do with the clip.
Fix.       Normalise once, under one name, and use that name in both products.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import branches

RULE = Rule(
    code="PPO204",
    name="same-advantage-in-both-branches",
    family="advantages",
    severity=Severity.SERIOUS,
    needs=("policy", "ratio", "role:advantage"),
    must_flag=("raw_advantage_in_second_branch", "raw_advantage_in_clipped_loss", "scaled_against_raw"),
)


def check(subject: Subject) -> Violation | None:
    rows = subject.capacity or 8
    advantage = torch.linspace(-2, 3, rows, dtype=torch.float64)
    at_one = subject.at(torch.zeros(rows, dtype=torch.float64), advantage)
    at_one = {role: values for role, values in at_one.items() if "log_prob" in role} | {"advantage": advantage}
    pairs = branches(subject, subject.run(subject.rows(rows, **at_one)))
    pairs = [
        (first.reshape(-1), second.reshape(-1)) for first, second in pairs if first.numel() == second.numel() == rows
    ]
    if not pairs:
        raise NotApplicable("the loss takes no minimum of two surrogates")
    unclipped, clipped = (torch.cat(side) for side in zip(*pairs, strict=True))
    return worst(
        Violation(
            "At ratio 1 the two branches of the minimum differ: they weigh the sample with different advantages.",
            site="raw_branch" if "raw_branch" in subject.anatomy.sites else "surrogate",
            explains=("PPO102", "PPO103", "PPO104", "PPO106", "PPO509"),
        ),
        unless=(unclipped - clipped).abs() <= subject.tolerance * 10 * (1 + unclipped.abs()),
        advantage=advantage.repeat(len(pairs)),
        got=clipped,
        want=unclipped,
    )
