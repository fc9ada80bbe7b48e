"""Large and tiny numbers of an ordinary kind stay finite.

Property.  In float32 loss and gradients are finite for logits shifted by 200, for advantages, values and returns of
           size 10^6, and for advantages of size 10^-12.
Why.       exp overflows float32 at 88.7, where log_softmax first subtracts the largest logit; a variance written as a
           difference is negative for tiny numbers, and its root NaN. Logits may grow without any change of the policy.
           https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html; Schulman et al. 2017, arXiv:1707.06347,
           leaves the scale of rewards open.
Applies.   Functions that are called. Log-ratios are PPO101's, constant advantages PPO202's.
Tested.    Four batches of eight samples in float32, log-ratios within the clip.
Severity.  Potential: it takes numbers that a well-scaled run does not meet.
Fix.       torch.log_softmax and torch.logsumexp; subtract the mean before squaring.
"""

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation

RULE = Rule(
    code="PPO704",
    name="large-and-tiny-inputs",
    family="precision",
    severity=Severity.POTENTIAL,
    needs=("direct_call",),
    must_flag=("softmax_without_shift",),
)
STRATA = {
    "logits shifted by 200": (("logits", "old_logits"), 1.0, 200.0),
    "advantages of size 10^6": (("advantage", "reward"), 1e6, 0.0),
    "values and returns of size 10^6": (("value", "old_value", "return_"), 1e6, 0.0),
    "advantages of size 10^-12": (("advantage", "reward"), 1e-12, 0.0),
}


def check(subject: Subject) -> Violation | None:
    direct = subject.in_float32.direct
    ordinary = direct.subject.rows(8)
    if not direct.observe(ordinary).is_finite:
        raise NotApplicable("an ordinary batch is not finite in float32 either (PPO005)")
    for name, (roles, factor, shift) in STRATA.items():
        given = {role: ordinary[role] * factor + shift for role in roles if role in ordinary}
        if not given:
            continue
        seen = direct.observe(ordinary | given)
        if not seen.is_finite:
            return Violation(
                f"With {name} {seen.non_finite[0]} is not finite.",
                counterexample={"batch": name, "got": seen.loss.item(), "want": "finite"},
                evidence={"not_finite": seen.non_finite},
                signature=name,
                place=direct.turning_non_finite(seen.run),
            )
    return None
