"""The KL term is, on average over the samples, a KL divergence of the two policies.

Property.  Over the actions of the policy that samples them, sum_a p(a) estimate(a) = KL(p || q) or KL(q || p) exactly
           (k1, k3), or each estimate is (log p - log q)^2 / 2 (k2, which agrees to second order). Computed from
           distributions, the term is their exact KL, summed over dimensions, in either direction.
Why.       A reversed log-ratio in k3, a missing half or linear term, or a mean over dimensions leaves a quantity that
           is positive, zero at equality, and not the KL that the target and its controller speak of.
           http://joschu.net/blog/kl-approx.html; Shao et al. 2024, arXiv:2402.03300, eq. 4.
Applies.   Losses with a KL term. Against a reference policy the samples are those of the current one, else those of the
           old one. Where the coefficient is no argument its size is unknown, and the form alone is judged.
Tested.    Policies (1/2, 1/4, 1/4) and (1/4, 1/4, 1/2), (0.6, 0.3, 0.1) and (0.3, 0.3, 0.4), each action alone; for
           Gaussians and logits the pairs of PPO411.
Severity.  Serious: the penalty holds the policy to another quantity; potential for |log p - log q|, which some offer
           by that name.
Fix.       From samples of p with r = q / p: k3 = r - 1 - log r, k2 = (log r)^2 / 2; from distributions the closed form.
"""

from collections.abc import Callable, Mapping

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.kl import kl_cases, kl_exact, kl_values

RULE = Rule(
    code="PPO412",
    name="kl-estimates-the-kl",
    family="kl",
    severity=Severity.SERIOUS,
    kinds=("loss", "trainer", "kl"),
    needs=("kl",),
    must_flag=("k3_reversed", "k3_of_old_reversed", "k2_without_half", "kl_mean_over_dims"),
)
DISTANCE = "The KL term is |log p - log q|: zero where the policies agree, and no estimate of their KL."
PAIRS = (((0.5, 0.25, 0.25), (0.25, 0.25, 0.5)), ((0.6, 0.3, 0.1), (0.3, 0.3, 0.4)))


def check(subject: Subject) -> Violation | None:
    cases = kl_cases(subject)
    is_sampled = "log_prob" in cases
    pairs = [expectations(subject, *policies) for policies in PAIRS] if is_sampled else [kl_exact(cases)]
    if is_sampled and _is_form(subject, cases, lambda log_ratio: 0.5 * log_ratio**2):  # k2
        return None
    forward, backward = (torch.cat(column) for column in list(zip(*pairs, strict=True))[:2])
    got = torch.cat([pair[2] for pair in pairs]) if is_sampled else kl_values(subject, cases)
    if "kl_coef" not in subject.settings and subject.kind != "kl":
        got = _scaled(got, forward, backward)
    fits = [(got - want).abs() <= 1e4 * subject.tolerance * (want.abs() + 0.01) for want in (forward, backward)]
    unless = fits[0] if bool(fits[0].double().mean() >= fits[1].double().mean()) else fits[1]
    problem = Violation("The KL term is not the KL divergence of the two policies, in either direction.", site="kl")
    if is_sampled and _is_form(subject, cases, lambda log_ratio: log_ratio.abs()):
        problem = Violation(DISTANCE, site="kl", severity=Severity.POTENTIAL)
    shown = {} if is_sampled else cases
    return worst(problem, unless=unless, **shown, got=got, want=forward, reverse=backward)


def expectations(subject: Subject, p: tuple[float, ...], q: tuple[float, ...]) -> tuple[torch.Tensor, ...]:
    """Exact KL(p || q), KL(q || p) and the mean of the estimates, each (1,), over the actions sampled by p."""
    sampling, other = torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)
    roles = list(kl_cases(subject))
    by_role = dict(zip(roles, (sampling, other) if "ref_log_prob" in roles else (other, sampling), strict=True))
    estimate = kl_values(subject, {role: policy.log() for role, policy in by_role.items()})
    log_ratio = (sampling / other).log()
    return (sampling * log_ratio).sum()[None], -(other * log_ratio).sum()[None], (sampling * estimate).sum()[None]


def _is_form(subject: Subject, cases: Mapping[str, torch.Tensor], form: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    """Whether each estimate is this function of its log-ratio; up to a factor where the coefficient is unknown."""
    new, other = cases.values()
    got, want = kl_values(subject, dict(cases)), form(new - other)
    got = got if "kl_coef" in subject.settings or subject.kind == "kl" else _scaled(got, want, want)
    return bool((got - want).abs().max() <= 1e4 * subject.tolerance * (1 + want.max()))


def _scaled(got: torch.Tensor, forward: torch.Tensor, backward: torch.Tensor) -> torch.Tensor:
    """The estimates times the factor that brings them nearest to one of the exact values."""
    if not bool(got.abs().sum() > 0):
        raise NotApplicable("the KL term is zero everywhere")
    fitted = [got * (got * want).sum() / (got**2).sum() for want in (forward, backward)]
    errors = [float((fit - want).norm()) for fit, want in zip(fitted, (forward, backward), strict=True)]
    return fitted[0] if errors[0] <= errors[1] else fitted[1]
