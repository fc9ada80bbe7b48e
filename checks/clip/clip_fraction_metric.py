"""A reported clip fraction is the share of samples that are clipped.

Property.  A returned number that is 0 with all samples inside the clip and not 0 with all outside is the share of |r -
           1| > eps, of one side of it, or of the samples whose gradient the clip stops; masked entries do not count.
Why.       The clip fraction tells whether learning rate and epochs fit, and schedules act on it. Counted on the
           log-ratio it is off on both sides, as a sum it follows the batch size, over padding it follows the response
           lengths. openai/baselines ppo2, https://github.com/openai/baselines/blob/ea25b9e8/baselines/ppo2/model.py.
Applies.   Losses that return such a number beside the loss, whatever its name, told by its comparing something with the
           ratio.
Tested.    Twelve samples: three between 1 + eps and exp(eps), one between exp(-eps) and 1 - eps, others clearly in or
           out, of both signs of A. With a mask: sequences with clipped samples at masked places only.
Severity.  Potential: a metric, until something acts on it.
Fix.       ((ratio - 1).abs() > clip_range).float().mean(), over valid entries.
"""

import math

import torch

from ppo_audit import Location, NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.metrics import counted, masked_log_ratios

RULE = Rule(
    code="PPO112",
    name="clip-fraction-metric",
    family="clip",
    severity=Severity.POTENTIAL,
    needs=("policy", "hard_clip", "role:old_log_prob"),
    must_flag=("fraction_of_log_ratio", "fraction_summed", "fraction_over_padding"),
)


def check(subject: Subject) -> Violation | None:
    if subject.capacity is not None:
        raise NotApplicable("a recording returns no metrics")
    low, high = subject.profile.bounds
    inside, outside = (counted(subject, *_rows(low, high, factor)) for factor in (0.5, 1.9))
    metrics = [name for name in inside if float(inside[name].value) == 0 and float(outside[name].value) != 0]
    if not metrics:
        raise NotApplicable("the target returns no clip fraction")
    log_ratio, advantage = _mixed(low, high)
    for name, seen in counted(subject, log_ratio, advantage).items():
        wanted = _shares(log_ratio.exp(), advantage, low, high)
        if name in metrics and not any(abs(float(seen.value) - share) <= 1e-6 for share in wanted.values()):
            return _violation(
                name, float(seen.value), wanted["outside"], seen.place, "is not the share of samples outside the clip"
            )
        padded = masked_log_ratios(subject, name, 2 * math.log(high)) if name in metrics else None
        if padded is not None and float(padded.value) != 0:
            return _violation(name, float(padded.value), 0.0, padded.place, "counts masked entries")
    return None


def _violation(name: str, got: float, want: float, place: Location | None, problem: str) -> Violation:
    return Violation(
        f"The returned clip fraction `{name}` {problem}.",
        counterexample={"got": got, "want": want},
        signature=problem,
        place=place,
    )


def _rows(low: float, high: float, factor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Ratios at a multiple of the distance to either bound, and advantages of both signs."""
    sides = torch.tensor([factor * (high - 1), factor * (low - 1)] * 6, dtype=torch.float64)
    return sides.log1p(), torch.tensor([1.0, 1.0, -1.0, -1.0] * 3, dtype=torch.float64)


def _mixed(low: float, high: float) -> tuple[torch.Tensor, torch.Tensor]:
    up, down = high - 1, 1 - low
    upper = [0.5 * (math.log(high) + up)] * 3
    lower = [-0.5 * (down - math.log(low))]
    far = [0.0, 0.3 * up, -0.3 * down, 2.5 * up, 3.0 * up, -2.2 * down - up * 0.1, 0.1 * up, 0.05 * up]
    signs = [-1.0, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, 1.0, -1.0]
    return torch.tensor(upper + lower + far, dtype=torch.float64), torch.tensor(signs, dtype=torch.float64)


def _shares(ratio: torch.Tensor, advantage: torch.Tensor, low: float, high: float) -> dict[str, float]:
    """What a clip fraction may mean, by name."""
    above, below = ratio > high, ratio < low
    stopped = (above & (advantage > 0)) | (below & (advantage < 0))
    kinds = {"outside": above | below, "stopped": stopped, "above": above, "below": below}
    return {name: float(mask.double().mean()) for name, mask in kinds.items()}
