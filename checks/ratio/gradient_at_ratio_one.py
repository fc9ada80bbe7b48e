"""At ratio 1 every surrogate is the policy gradient.

Property.  log_prob = old_log_prob  =>  d loss / d log_prob_i = -k A_i for every sample, with one k > 0.
Why.       The clipped surrogate, its dual-clip, CISPO, SAPO and KL-penalised kin and plain A2C agree to first order at
           the policy that collected the data. A wrong sign climbs the loss; a dead or inverted ratio, or advantages of
           the wrong sample, train on noise. Schulman et al. 2017, arXiv:1707.06347, eq. 6.
Applies.   Losses with a policy term. The advantage is the effective one, after normalisation.
Tested.    64 advantages of both signs from 0.01 to 10, in one batch and in shuffled order; k is the median of -g / A.
           Where every token has an advantage, four sequences of four tokens as well.
Severity.  Critical: learning goes the wrong way or nowhere.
Fix.       Minimise -mean(min(r A, clip(r) A)), r = exp(log_prob - old_log_prob), the new log-prob carrying gradient.
"""

import torch

from ppo_audit import Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.quantities import term_gradient, term_roles

RULE = Rule(
    code="PPO104",
    name="gradient-at-ratio-one",
    family="ratio",
    severity=Severity.CRITICAL,
    needs=("policy",),
    must_flag=("sign_flipped", "ratio_detached", "absolute_advantage", "misaligned_advantages", "old_log_prob_for_new"),
)

EXPLAINS = ("PPO102", "PPO103", "PPO106")
SEQUENCES, TOKENS = 4, 4
PLAIN = frozenset(("log_prob", "old_log_prob", "advantage", "mask"))


def check(subject: Subject) -> Violation | None:
    size = torch.logspace(-2, 1, 32, dtype=torch.float64)
    advantage = torch.stack([size, -size]).T.flatten()
    gradient = subject.policy(torch.zeros_like(advantage), advantage)
    slope = float((-gradient / advantage).median())
    return _of_rows(subject, gradient, advantage, slope) or _of_tokens(subject)


def _of_rows(subject: Subject, gradient: torch.Tensor, advantage: torch.Tensor, slope: float) -> Violation | None:
    want = -advantage * (slope if slope > 0 else 1.0)
    return worst(
        Violation(_message(slope, gradient), site=_site(gradient), explains=EXPLAINS),
        unless=(gradient - want).abs() <= 1e3 * subject.tolerance * want.abs().clamp_min(0.01),
        advantage=advantage,
        ratio=1.0,
        got=gradient,
        want=want,
    )


def _of_tokens(subject: Subject) -> Violation | None:
    """Sequences of four tokens, each with an advantage of its own: one row a token hides a shift along the sequence."""
    tokens = subject.direct.in_tokens(TOKENS)
    shape = tokens.layout.shape("advantage", SEQUENCES)
    if subject.capacity is not None or shape != (SEQUENCES, TOKENS):
        return None
    advantage = torch.linspace(-2.0, 2.2, SEQUENCES * TOKENS, dtype=torch.float64)[torch.arange(16) * 7 % 16]
    advantage = advantage.reshape(shape)
    gradient = _token_gradient(tokens, advantage)
    is_shared = bool((gradient - gradient[:, :1]).abs().max() <= 1e-9 * gradient.abs().max())
    if is_shared:  # one ratio for each sequence: its tokens share one gradient
        return None
    want = -advantage * float((-gradient / advantage).median().abs())
    return worst(
        Violation(
            "At ratio 1 the gradient of a token is not proportional to minus its own advantage.",
            site="effective_advantage",
            explains=(*EXPLAINS, "PPO206", "PPO501", "PPO502", "PPO507"),
        ),
        unless=((gradient - want).abs() <= 1e3 * subject.tolerance * want.abs().clamp_min(0.01)).flatten(),
        advantage=advantage.flatten(),
        ratio=1.0,
        got=gradient.flatten(),
        want=want.flatten(),
    )


def _token_gradient(tokens: Subject, advantage: torch.Tensor) -> torch.Tensor:
    """The gradient of the policy term by the log-prob of each token, at ratio 1."""
    roles = tokens.at(torch.zeros_like(advantage), advantage)
    if "normalisation" not in tokens.anatomy.sites and term_roles(tokens, "policy") <= PLAIN:
        roles.pop("effective_advantage", None)  # nothing but a shift can stand between the two
    run = tokens.run(tokens.rows(len(advantage), **roles))
    gradient: torch.Tensor = tokens.log_prob_sign * term_gradient(tokens, "policy", "log_prob", run)
    return gradient


def _site(gradient: torch.Tensor) -> str:
    """Without any gradient, the difference of log-probs that should carry it."""
    return "policy" if bool((gradient != 0).any()) else "log_ratio"


def _message(slope: float, gradient: torch.Tensor) -> str:
    if not bool((gradient != 0).any()):
        return "At ratio 1 the policy term has no gradient at all."
    if slope < 0:
        return "At ratio 1 the gradient has the wrong sign: a step makes good actions less likely."
    return "At ratio 1 the gradient is not proportional to minus the advantage of its own sample."
