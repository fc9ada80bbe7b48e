"""The length of a response weighs in as declared.

Property.  In the mode that an argument names, the weight of a token is one over the number of all tokens (`token-mean`,
           `dapo`), one over the length of its own sequence (`seq-mean-token-mean`, `grpo`), or a constant
           (`seq-mean-token-sum`, `dr_grpo`).
Why.       All three are in use and none is wrong; another one than declared is. In a sequence's own mean a token of a
           long answer weighs less, which favours long wrong ones: Liu et al. 2025, arXiv:2503.20783, section 3. A
           mean over all tokens lets long answers weigh more: Yu et al. 2025, arXiv:2503.14476.
Applies.   Losses over tokens with a mask that have an argument for it (`loss_agg_mode`, `loss_type`), by default or by
           `--set`. Without one the mode is a line on the card, and no fault. A constant passes for `token-mean`: tokens
           may be counted over all devices.
Tested.    Two sequences, of one and of four tokens, and both of four; the mode in force, and every other known one that
           stands in the code.
Severity.  Potential: the loss is a published one, but not the one that was asked for.
Fix.       Token mean: (x * mask).sum() / mask.sum(). Sequence mean: ((x * mask).sum(-1) / mask.sum(-1)).mean().
           Constant: (x * mask).sum(-1).mean() / max_length.
"""

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation
from ppo_audit.probes.lengths import MODES, weightings

RULE = Rule(
    code="PPO807",
    name="length-weighting",
    family="groups",
    severity=Severity.POTENTIAL,
    needs=("policy", "role:mask", "direct_call"),
    must_flag=("token_sum_mode_is_a_mean",),
)


def check(subject: Subject) -> Violation | None:
    found = list(weightings(subject))
    if not found:
        raise NotApplicable("no argument of the loss names a known mode of aggregation")
    wrong = next((each for each in found if not each.holds), None)
    if wrong is None:
        return None
    wanted = MODES[wrong.mode][0]
    return Violation(
        f"With `{wrong.argument}={wrong.mode}` the tokens are reduced as: {wrong.measured}.",
        counterexample={wrong.argument: wrong.mode, "got": wrong.measured, "want": wanted},
        site="policy_reduction",
        place=wrong.place,
    )
