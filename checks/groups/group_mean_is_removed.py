"""The mean reward of a group is taken off: what counts is an answer against its siblings.

Property.  Advantages of one group add up to zero, a constant added to all rewards of a group changes nothing but one
           scale (a deviation, a mean), and the better answer has the higher advantage.
Why.       A prompt that is easy has high rewards whatever the policy does. With the mean of the batch, or none, all
           answers to an easy prompt are pushed up and all answers to a hard one down. Shao et al. 2024,
           arXiv:2402.03300, section 4.1.2; with the mean of the others (RLOO, arXiv:2402.14740, section 3.3) the sum
           is zero as well.
Applies.   Losses and helpers that turn rewards of groups into advantages.
Tested.    Four groups of four rewards; one group's rewards raised by 5.
Severity.  Serious: whole prompts are credited for being easy.
Fix.       rewards - rewards.view(-1, G).mean(1).repeat_interleave(G), G answers to a prompt next to each other.
"""

import torch

from ppo_audit import Credit, NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.groups import REWARDS, group_advantages, group_explains

RULE = Rule(
    code="PPO801",
    name="group-mean-is-removed",
    family="groups",
    severity=Severity.SERIOUS,
    kinds=("loss", "advantages"),
    needs=("role:reward",),
    must_flag=("no_group_mean", "group_mean_kept", "rloo_divides_by_all", "reward_taken_from_the_mean"),
)


def check(judged: Subject | Credit) -> Violation | None:
    raised = REWARDS + torch.tensor([[5.0], [0.0], [0.0], [0.0]], dtype=torch.float64)
    plain, other = (group_advantages(judged, given) for given in (REWARDS, raised))
    if bool(((plain != 0).sum(1) <= 1).all()):
        raise NotApplicable("only one answer of a group has an advantage, as for pass@k: no mean is taken off")
    if _falls(plain):
        return _turned(judged, plain)
    sums = plain.sum(1, keepdim=True).abs().expand_as(plain)
    scale = ((other * plain).sum(1, True) / (plain**2).sum(1, True).clamp_min(1e-300)).clamp_min(0)
    unless = (sums <= 1e-3 * plain.abs().max()) & ((other - scale * plain).abs() <= 1e-3 * plain.abs().max())
    return worst(
        Violation(
            "The mean of its own group is not removed from a reward.",
            site="centre",
            explains=group_explains(judged, "PPO801"),
        ),
        unless=unless.flatten(),
        reward=REWARDS.flatten(),
        sum_of_the_group=plain.sum(1, keepdim=True).expand_as(plain).flatten(),
        got=other.flatten(),
        want=plain.flatten(),
    )


def _turned(judged: Subject | Credit, plain: torch.Tensor) -> Violation:
    if not _falls(group_advantages(judged, REWARDS - REWARDS.min())):
        raise NotApplicable("it divides by what is negative where the rewards are: they are taken to be positive")
    return Violation(
        "Within its group a higher reward gives a lower advantage: the reward is taken from the mean.",
        counterexample={"reward": REWARDS[0].tolist(), "got": plain[0].tolist(), "want": "rising with the reward"},
        site="centre",
    )


def _falls(advantages: torch.Tensor) -> bool:
    """Whether advantages fall where the rewards of their group rise."""
    return not bool(((advantages - advantages.mean(1, keepdim=True)) * REWARDS).sum() >= 0)
