"""A reported clip fraction is the share of samples that are clipped.

Property.  A returned number that is 0 with all samples inside the clip and not 0 with all outside is the share of |r -
           1| > eps, of one side of it, or of the samples whose gradient the clip stops; masked entries do not count.
Why.       The clip fraction tells whether learning rate and epochs fit, and schedules act on it. Counted on the
           log-ratio it is off on both sides, as a sum it follows the batch size, over padding it follows the response
           lengths. openai/baselines ppo2, https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py.
Applies.   Losses that return such a number beside the loss, whatever its name, told by its comparing something with the
           ratio. Functions that return it alone, told by their name or by what they count.
Tested.    Fourteen samples: three between 1 + eps and exp(eps), one between exp(-eps) and 1 - eps, others clearly in or
           out, of both signs of A. With a mask: sequences with clipped samples at masked places only.
Severity.  Potential: a metric, until something acts on it.
Fix.       ((ratio - 1).abs() > clip_range).float().mean(), over valid entries.
"""

import math

import torch

from ppo_audit import ClipFraction, Location, NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.metrics import counted, masked_log_ratios, mixed, shares, sides

RULE = Rule(
    code="PPO112",
    name="clip-fraction-metric",
    family="clip",
    severity=Severity.POTENTIAL,
    kinds=("loss", "trainer", "metric"),
    needs=("policy", "hard_clip", "role:old_log_prob"),
    must_flag=("fraction_of_log_ratio", "fraction_summed", "fraction_over_padding"),
)


def check(subject: Subject | ClipFraction) -> Violation | None:
    if isinstance(subject, ClipFraction):
        return of_function(subject)
    if subject.capacity is not None:
        raise NotApplicable("a recording returns no metrics")
    low, high = subject.profile.bounds
    inside, outside = (counted(subject, *sides(low, high, factor)) for factor in (0.5, 1.9))
    metrics = [name for name in inside if float(inside[name].value) == 0 and float(outside[name].value) != 0]
    if not metrics:
        raise NotApplicable("the target returns no clip fraction")
    log_ratio, advantage = mixed(low, high)
    for name, seen in counted(subject, log_ratio, advantage).items():
        wanted = shares(log_ratio.exp(), advantage, low, high)
        if name in metrics and not any(abs(float(seen.value) - share) <= 1e-6 for share in wanted.values()):
            return _violation(
                name, float(seen.value), wanted["outside"], seen.place, "is not the share of samples outside the clip"
            )
        padded = masked_log_ratios(subject, name, 2 * math.log(high)) if name in metrics else None
        if padded is not None and float(padded.value) != 0:
            return _violation(name, float(padded.value), 0.0, padded.place, "counts masked entries")
    return None


def of_function(judged: ClipFraction) -> Violation | None:
    """The same of a function that returns nothing else."""
    log_ratio, advantage = mixed(judged.low, judged.high)
    got, wanted = judged.share(log_ratio, advantage), shares(log_ratio.exp(), advantage, judged.low, judged.high)
    if not any(abs(got - share) <= 1e-6 for share in wanted.values()):
        return _violation("it", got, wanted["outside"], None, "is not the share of samples outside the clip")
    if "mask" not in judged.available:
        return None
    keep = (torch.arange(len(log_ratio)) % 3 != 0).double()
    padded = judged.share(2 * math.log(judged.high) * (1 - keep), advantage, keep)
    return None if padded == 0 else _violation("it", padded, 0.0, None, "counts masked entries")


def _violation(name: str, got: float, want: float, place: Location | None, problem: str) -> Violation:
    return Violation(
        f"The clip fraction `{name}` {problem}.",
        counterexample={"got": got, "want": want},
        signature=problem,
        place=place,
    )
