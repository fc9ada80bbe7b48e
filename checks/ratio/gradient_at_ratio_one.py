"""At ratio 1 every surrogate is the policy gradient.

Property.  log_prob = old_log_prob  =>  d loss / d log_prob_i = -k A_i for every sample, with one k > 0.
Why.       The clipped surrogate, its dual-clip, CISPO, SAPO and KL-penalised kin and plain A2C agree to first order at the
           policy that collected the data. A wrong sign climbs the loss; a dead or inverted ratio, or advantages of the wrong
           sample, train on noise. Schulman et al. 2017, arXiv:1707.06347, eq. 6.
Applies.   Losses with a policy term. The advantage is the effective one, after normalisation.
Tested.    64 advantages of both signs from 0.01 to 10, in one batch and in shuffled order; k is the median of -g / A.
Severity.  Critical: learning goes the wrong way or nowhere.
Fix.       Minimise -mean(min(r A, clip(r) A)) with r = exp(log_prob - old_log_prob), the new log-prob carrying the gradient.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst

RULE = Rule(
    code="PPO104",
    name="gradient-at-ratio-one",
    family="ratio",
    severity=Severity.CRITICAL,
    needs=("policy",),
    must_flag=("sign_flipped", "ratio_detached", "absolute_advantage", "misaligned_advantages"),
)


def check(subject: Subject) -> Violation | None:
    size = torch.logspace(-2, 1, 32, dtype=torch.float64)
    advantage = torch.stack([size, -size]).T.flatten()
    gradient = subject.policy(torch.zeros_like(advantage), advantage)
    slope = float((-gradient / advantage).median())
    want = -advantage * (slope if slope > 0 else 1.0)
    return worst(
        Violation(_message(slope, gradient), site="policy", explains=("PPO102", "PPO103", "PPO106")),
        unless=(gradient - want).abs() <= 1e3 * subject.tolerance * want.abs().clamp_min(0.01),
        advantage=advantage,
        ratio=1.0,
        got=gradient,
        want=want,
    )


def _message(slope: float, gradient: torch.Tensor) -> str:
    if not bool((gradient != 0).any()):
        return "At ratio 1 the policy term has no gradient at all."
    if slope < 0:
        return "At ratio 1 the gradient has the wrong sign: a step makes good actions less likely."
    return "At ratio 1 the gradient is not proportional to minus the advantage of its own sample."
