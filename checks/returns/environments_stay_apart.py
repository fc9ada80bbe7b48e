"""Environments that are stepped side by side do not mix.

Property.  Changing rewards and values of one environment leaves the advantages of all others as they are.
Why.       A recursion over flattened time and environments, or a carry that is a mean over environments, credits an
           action with rewards of another episode altogether. Each column is its own trajectory: Schulman et al. 2017,
           arXiv:1707.06347, algorithm 1; https://github.com/vwxyzjn/cleanrl/blob/fe8d8a03/cleanrl/ppo.py keeps them
           apart by its shapes.
Applies.   Helpers that take several environments at once. Not where all that is returned is normalised over them.
Tested.    7 steps of 3 environments, the first one's data replaced.
Severity.  Critical: credit crosses from one environment to another.
Fix.       Keep time and environment as two axes until the recursion is done; flatten afterwards.
"""

import torch

from ppo_audit import Returns, Rule, Severity, Violation, worst
from ppo_audit.probes.returns import mixes_environments

RULE = Rule(
    code="PPO607",
    name="environments-stay-apart",
    family="returns",
    severity=Severity.CRITICAL,
    kinds=("returns",),
    must_flag=("carry_is_a_mean", "time_flattened", "delta_of_summed_values"),
)


def check(helper: Returns) -> Violation | None:
    moved = mixes_environments(helper)
    step, env = torch.meshgrid(torch.arange(moved.shape[0]), 1 + torch.arange(moved.shape[1]), indexing="ij")
    return worst(
        Violation(
            "Changing the data of one environment changes the advantages of another.",
            site="recursion",
            explains=helper.explains("PPO607"),
        ),
        unless=(moved <= 1e-6).flatten(),
        step=step.flatten(),
        environment=env.flatten(),
        got=moved.flatten(),
        want="no change",
    )
