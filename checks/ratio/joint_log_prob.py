"""The log-probs of independent action dimensions are summed before the ratio.

Property.  For log-probs by dimension l_d: the loss depends on x = sum_d (l_d - l_old,d) alone, and off the clip its
           gradient grows as exp(x). For a policy evaluated inside, the joint log-prob moves as the sum over the
           dimensions does.
Why.       Independent dimensions have a joint probability that is the product. A mean over D dimensions is the D-th
           root of the ratio: the clip acts D times too late, and each sample weighs 1/D. A ratio or clip for each
           dimension is another objective. Schulman et al. 2017, arXiv:1707.06347, eq. 6; detail 25 of
           https://iclr-blog-track.github.io/2022/03/25/ppo-implementation-details/
Applies.   Targets that take log-probs by dimension, or means, deviations and actions. Functions that give log-probs
           of Gaussians; those that leave the dimensions apart leave the sum to their caller.
Tested.    A log-ratio of 0.1 to 0.6 of either sign, on one dimension and spread over all, for A of both signs; growth
           between two log-ratios on the losing side. Inside, and of functions alone: the change of the joint log-prob,
           and of the old one where the target computes it too, under a change of the means.
Severity.  Serious: ratio, clip and gradient are those of another policy.
Fix.       Sum the log-probs over the action dimensions, new and old, then take the exponential of the difference.
"""

import torch

from ppo_audit import LogProb, NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.log_probs import by_dimension, moved_with_mean

RULE = Rule(
    code="PPO111",
    name="joint-log-prob",
    family="ratio",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "log_prob"),
    needs=("policy", "ratio"),
    must_flag=("mean_over_heads_in_ratio", "clip_per_head", "log_prob_mean_over_dims", "old_log_prob_mean_over_dims"),
)


def check(subject: Subject | LogProb) -> Violation | None:
    if isinstance(subject, LogProb):
        return of_function(subject)
    if min(subject.layout.tails.get(role, ())[-1:] for role in ("log_prob", "old_log_prob")) > (1,):
        got, want = along_dimensions(subject)
    elif "log_prob" in subject.cuts and {"mean", "action"} <= subject.available:
        got, want = moves(subject)
    else:
        raise NotApplicable("the target takes log-probs that are already joint")
    return worst(
        Violation(
            "The log-probs of the action dimensions are not summed into one ratio.",
            site="ratio_by_dimension" if "ratio_by_dimension" in subject.anatomy.sites else "ratio",
            explains=("PPO102", "PPO103", "PPO104", "PPO105", "PPO106", "PPO107"),
        ),
        unless=(got - want).abs() <= 1e4 * subject.tolerance * (want.abs() + 0.1),
        got=got,
        want=want,
    )


def of_function(judged: LogProb) -> Violation | None:
    """Whether a log-prob function averages its dimensions, or leaves some out; other slips are PPO105's."""
    if judged.is_categorical or judged.is_apart:
        raise NotApplicable("the log-prob is of one choice, or given by dimension")
    share = by_dimension(judged)
    is_mean = (share * len(share) - 1).abs() <= 1e-6
    return worst(
        Violation("The log-probs of the action dimensions are not summed.", explains=("PPO105",)),
        unless=~((share.abs() <= 1e-9) | is_mean.all()),
        dimension=torch.arange(len(share)),
        got=share,
        want=1.0,
    )


def along_dimensions(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients with the log-ratio spread over all dimensions, and those that the joint log-ratio asks for."""
    points = torch.tensor([-0.6, -0.3, -0.1, 0.1, 0.3, 0.6], dtype=torch.float64)
    log_ratio, advantage = torch.cartesian_prod(points, torch.tensor([-1.0, 1.0], dtype=torch.float64)).T
    count = subject.layout.tails["log_prob"][-1]
    together = subject.at(log_ratio, advantage)
    spread = {**together}
    for role, row in (("log_prob", together["log_prob"]), ("old_log_prob", together["old_log_prob"])):
        spread[role] = (row / count).unsqueeze(-1).expand(-1, count)
    joint = subject.term("policy").gradient("log_prob", **together)
    apart = subject.term("policy").gradient("log_prob", **spread)
    losing = (log_ratio * advantage < 0) & (joint != 0)  # a side without corrections is PPO103's
    grown = -advantage * log_ratio.exp() * subject.profile.scale
    return torch.cat([apart, joint[losing]]), torch.cat([joint, grown[losing]])


def moves(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the joint log-probs move with their means: as the target computes them, and as sums over dimensions."""
    pairs = [
        (f"{when}log_prob", f"{when}mean", f"{when}{spread}") for when in ("", "old_") for spread in ("log_std", "std")
    ]
    known = [pair for pair in pairs if pair[0] in subject.cuts and {*pair[1:]} <= subject.available]
    if not known:
        raise NotApplicable("the deviations of the policy are not at hand")
    found, wanted = zip(*(moved_with_mean(subject, *pair) for pair in known), strict=True)
    return torch.cat(found), torch.cat(wanted)
