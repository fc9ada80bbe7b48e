"""The ten loss functions of polgrad as installed: its one configurable loss, as published for each algorithm."""

from dataclasses import replace
from functools import partial

from polgrad import ALGORITHMS, policy_loss

CONFIGURATIONS = {name: specification.loss for name, specification in ALGORITHMS.items()}
# Dr. GRPO ships without the length that it divides by, which its users have to choose.
CONFIGURATIONS["dr_grpo"] = replace(CONFIGURATIONS["dr_grpo"], norm_len=16)

ppo, grpo, dr_grpo, dapo, gspo, gspo_token, cispo, rloo, reinforce_pp, grpo_tis = (
    partial(policy_loss, configuration) for configuration in CONFIGURATIONS.values()
)
