"""The ratio is the exponential of a difference of log-probs.

Property.  x = log_prob - old_log_prob; the recorded ratio is exp(x) (or exp(-x), whose sign PPO104 judges) for every
           old log-prob. Where no exponential is recorded although a clip range is taken: on the side where the clip
           does not act the policy gradient grows as exp(x), g(x) = exp(x) g(0). Without a clip range: both log-probs
           raised together leave it as it is. What a function alone gives for log-probs differs between two policies as
           the logarithms of their densities do.
Why.       1 + x agrees with exp(x) at 0 only, a base of 2 moves the clip, and a quotient of log-probs is no ratio of
           probabilities: importance weights are wrong as soon as the policy has moved. Schulman et al. 2017,
           arXiv:1707.06347, eq. 6.
Applies.   Targets that take new and old log-probs. Probabilities may be divided. Not CISPO, AWR, or losses without an
           old policy. Log-prob functions alone: constants, and what the action alone decides (a squashing), cancel.
Tested.    Eight log-ratios up to the reach of rules 102 to 107, at two old log-probs; A = +1 below and A = -1 above
           zero. Log-prob functions: twelve actions under two random policies each.
Severity.  Critical: weights, clip and gradient belong to another quantity.
Fix.       ratio = torch.exp(log_prob - old_log_prob)
"""

import torch

from ppo_audit import LogProb, NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.clip import ratio_maker, ratios
from ppo_audit.probes.log_probs import between_policies
from ppo_audit.probes.quantities import term_roles

RULE = Rule(
    code="PPO105",
    name="ratio-is-exp-of-difference",
    family="ratio",
    severity=Severity.CRITICAL,
    kinds=("loss", "trainer", "log_prob"),
    needs=("policy", "role:log_prob", "role:old_log_prob"),
    must_flag=("one_plus_log_ratio", "base_two", "log_probs_divided", "exp_forgotten", "log_probs_added"),
)
EPSILON = 1e-6  # what one beside the number of tokens may do to a ratio of sequences
STEPS = torch.tensor([-1.0, -0.6, -0.3, -0.1, 0.1, 0.3, 0.6, 1.0], dtype=torch.float64)


def check(subject: Subject | LogProb) -> Violation | None:
    if isinstance(subject, LogProb):
        return of_function(subject)
    if subject.anatomy.has_ratio:
        got, want, log_ratio = recorded(subject)
    else:
        got, want, log_ratio = grown(subject)
    return worst(
        Violation(
            "The ratio is not the exponential of the difference of log-probs.",
            site="ratio",
            explains=("PPO102", "PPO103", "PPO104", "PPO106", "PPO107", "PPO204"),
            place=ratio_maker(subject),
        ),
        unless=(got - want).abs() <= max(1e3 * subject.tolerance, EPSILON) * want.abs(),
        log_ratio=log_ratio,
        got=got,
        want=want,
    )


def of_function(judged: LogProb) -> Violation | None:
    """Whether a log-prob function follows the density, when the policy changes and the action stays."""
    got, want = between_policies(judged)
    return worst(
        Violation("Between two policies the log-prob of an action does not change as its density does."),
        unless=(got - want).abs() <= 1e-3 * (1 + want.abs()),
        got=got,
        want=want,
    )


def recorded(subject: Subject) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ratios as recorded, of the exponential that fits best, and the exponential itself, (16,)."""
    log_ratio = min(1.0, subject.profile.reach) * STEPS.repeat(2)
    old = torch.tensor([-1.5, -0.7], dtype=torch.float64).repeat_interleave(8)
    found = [(made, want) for made in ratios(subject, log_ratio, old) for want in (log_ratio.exp(), (-log_ratio).exp())]
    if not found:
        raise NotApplicable("the recorded exponentials have no entry for each sample")
    got, want = min(found, key=lambda pair: float((pair[0] - pair[1]).abs().nan_to_num(torch.inf).max()))
    return got, want, log_ratio


def grown(subject: Subject) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Policy gradients on the losing sides, and those that an exponential asks for, (8,)."""
    if "clip_range" not in subject.scalars and None in subject.anatomy.clip_bounds:
        return shifted(subject)
    steps = STEPS[STEPS.exp() < 0.99 * (subject.profile.dual_clip or torch.inf)]
    advantage = torch.where(steps < 0, 1.0, -1.0).double()
    at_one = subject.policy(torch.zeros_like(steps), advantage)
    want = steps.exp() * torch.where(at_one == 0, -advantage, at_one)
    return subject.policy(steps, advantage), want, steps


def shifted(subject: Subject) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Policy gradients at two levels of the log-probs, which must not matter, (8,)."""
    if "old_log_prob" not in term_roles(subject, "policy"):
        raise NotApplicable("the loss has neither an exponential nor a clip range: it claims no ratio")
    levels = (torch.full_like(STEPS, level) for level in (-0.7, -1.5))
    term = subject.term("policy")
    got, want = (term.gradient("log_prob", **subject.at(STEPS, torch.ones_like(STEPS), level)) for level in levels)
    return got, want, STEPS
