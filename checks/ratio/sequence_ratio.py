"""A ratio for a sequence is a mean over its tokens, and a capped weight keeps every token's gradient.

Property.  One ratio for a sequence (GSPO): exp of the mean of the valid log-ratios, so that twice as many tokens at the
           same log-ratio give the same ratio. A ratio that is only capped (CISPO) is a constant weight of log_prob:
           beyond the cap the gradient is that at the cap, and the ratio carries none.
Why.       A product over a thousand tokens leaves any clip range at once; a range of 3e-4 is meant for the mean. A live
           capped weight drops exactly the rare tokens that CISPO was made to keep. Zheng et al. 2025, arXiv:2507.18071,
           eq. 5 to 7; MiniMax 2025, arXiv:2506.13585, eq. 4.
Applies.   Losses over tokens whose ratio has fewer entries than tokens; losses with a cap on the ratio and no minimum
           of two surrogates, or with a ratio times a log-prob.
Tested.    Sequences of four and eight tokens at log-ratio 0.05. Log-ratios beyond the cap, A of both signs.
Severity.  Serious where the range is below 0.05, where padding enters the product, or where the weight is live;
           potential for a product with a wide range, which is exact and clips nearly always.
Fix.       GSPO: ((log_prob - old_log_prob) * mask).sum(-1) / mask.sum(-1). CISPO: ratio.clamp(max=c).detach() * A *
           log_prob.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.sequences import CappedWeight, SequenceRatio, capped_weight, sequence_ratio

RULE = Rule(
    code="PPO113",
    name="sequence-ratio",
    family="ratio",
    severity=Severity.SERIOUS,
    needs=("policy", "ratio", "role:old_log_prob"),
    must_flag=("sum_for_mean_log_ratio", "sequence_ratio_in_grpo", "cispo_weight_attached", "cispo_without_log_prob"),
)
STEP, NARROW = 0.05, 0.05


def check(subject: Subject) -> Violation | None:
    sequence, weight = sequence_ratio(subject, STEP), capped_weight(subject)
    if sequence is None and weight is None:
        raise NotApplicable("every token has its own ratio, and no weight is capped")
    if weight is not None and (weight.is_live or not weight.keeps_gradient):
        return _weighed(weight)
    return None if sequence is None else _multiplied(subject, sequence)


def _weighed(weight: CappedWeight) -> Violation:
    problem = "carries a gradient" if weight.is_live else "leaves tokens beyond its cap without a gradient"
    return Violation(
        f"The capped weight {problem}.",
        counterexample={"log_ratio": weight.log_ratio, "got": weight.beyond, "want": weight.at_cap},
        explains=("PPO008", "PPO102", "PPO103", "PPO104", "PPO106"),
        site="ratio",
        place=weight.place,
    )


def _multiplied(subject: Subject, sequence: SequenceRatio) -> Violation | None:
    """Whether the log-ratio of a sequence grows with its length."""
    high = subject.scalars.get("clip_range_high", subject.scalars.get("clip_range", 1.0))
    is_grave = high < NARROW or sequence.counts_padding
    padding = ", padding among them" if sequence.counts_padding else ""
    return worst(
        Violation(
            f"The ratio of a sequence is a product over its tokens{padding}.",
            site="ratio",
            severity=Severity.SERIOUS if is_grave else Severity.POTENTIAL,
            explains=("PPO501", "PPO502"),
            place=sequence.place,
        ),
        unless=(sequence.log_ratios - STEP).abs() <= 1e3 * subject.tolerance,
        tokens=torch.tensor([4.0, 8.0]),
        token_log_ratio=STEP,
        got=sequence.log_ratios,
        want=STEP,
    )
