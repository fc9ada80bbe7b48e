"""Before the first step, old and new log-probs of the stored actions agree: the ratio is one.

Property.  At the first minibatch of a run, before its policy was changed, log pi_new(a|s) = log pi_old(a|s) for every
           sample that counts, so that the ratio is 1, nothing is clipped and every KL estimate is 0.
Why.       The ratio compares the policy with what it was when it acted: Schulman et al. 2017, arXiv:1707.06347, eq. 6.
           A ratio off one from the start means that the two log-probs are of different things: of an action that was
           squashed or clipped before it was stored, at another temperature, with a tanh correction on one side only,
           of observations that were normalised anew. Every gradient is then weighted by a number that has no meaning.
Applies.   Trainers recorded from the start. Not where the network draws random numbers (dropout, RPO), nor to log-probs
           whose rows belong to other samples (PPO906 judges that).
Tested.    The recorded old and new log-probs of the minibatches before the first step; entries without weight in the
           loss are padding. A log-ratio of 0.001 is rounding, of 0.05 where half precision was used. Then, where both
           can be run again, those of a sample for which the network gives no preference, large outputs of either sign,
           and for which the noise of the action is three times what was drawn: a bound on one side shows only there.
Severity.  Critical: importance weights are wrong for every sample. Serious where only samples that were not recorded
           differ.
Fix.       Store the action that was sampled, and compute both log-probs by one function with one set of numbers.
"""

from dataclasses import replace

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.awkward import Sample, awkward_samples
from ppo_audit.probes.loop import first_log_probs, loop_of, odd_one_out, selected_at, slack

RULE = Rule(
    code="PPO901",
    name="first-ratio-is-one",
    family="trainer",
    severity=Severity.CRITICAL,
    kinds=("trainer",),
    needs=("loop", "role:old_log_prob"),
)


def check(subject: Subject) -> Violation | None:
    loop = loop_of(subject)
    new, old = first_log_probs(subject, loop)
    if loop.is_noisy:
        raise NotApplicable("the network draws random numbers, so that no two of its log-probs are equal")
    if _are_other_rows(new, old, slack(loop)):
        raise NotApplicable("the old log-probs are those of other rows; PPO906 judges that")
    violation = Violation(
        "Before the first step of the policy, its log-probs are not those that were stored with the actions.",
        signature="first ratio",
        explains=("PPO902",),
        place=odd_one_out(loop) or selected_at(subject, "log_prob"),
    )
    is_one = (new - old).abs() <= slack(loop) * (1 + 1e-3 * old.abs())
    found = worst(violation, unless=is_one, sample=torch.arange(len(new)), got=new, want=old)
    return found or _beside_the_record(replace(violation, explains=()), awkward_samples(loop), slack(loop))


def _beside_the_record(violation: Violation, samples: list[Sample], slack: float) -> Violation | None:
    """The two log-probs of samples that the recorded ones do not show."""
    if not samples:
        return None
    return worst(
        replace(
            violation,
            message="Old and new log-prob agree on the recorded samples and not on others: one side is bounded.",
            signature="first ratio beside the record",
            severity=Severity.SERIOUS,
        ),
        unless=torch.tensor([sample.agrees(slack) for sample in samples]),
        network_gives=torch.stack([sample.outputs for sample in samples]),
        action=torch.stack([sample.action for sample in samples]),
        got=torch.tensor([sample.new for sample in samples]),
        want=torch.tensor([sample.old for sample in samples]),
    )


def _are_other_rows(new: torch.Tensor, old: torch.Tensor, slack: float) -> bool:
    """Whether the same numbers stand in another order."""
    return (
        len(new) > 1
        and bool(((new.sort().values - old.sort().values).abs() <= slack).all())
        and not torch.allclose(new, old, atol=slack)
    )
