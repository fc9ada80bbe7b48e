"""Whether a sample is clipped is decided by its own ratio.

Property.  The policy gradient of a sample does not change when the ratio of another one leaves the clip range.
Why.       The minimum stands inside the expectation. Taken of two means, or with one decision for the whole batch, a
           single sample far out clips all the others or none of them. Schulman et al. 2017, arXiv:1707.06347, eq. 7.
Applies.   Losses that claim a hard clip, with the effective advantage. Coupling inside the clip range is PPO507; a
           ratio for each sequence couples its tokens, which are one sample here.
Tested.    Seven samples inside and outside the clip, beside an eighth at A = +-5 that goes from ratio 1 to the reach of
           rules 102 to 107, up and down.
Severity.  Serious: the clip follows the batch's composition.
Fix.       Take the elementwise minimum first, then the mean.
"""

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.places import recorded_site

RULE = Rule(
    code="PPO110",
    name="clip-is-per-sample",
    family="clip",
    severity=Severity.SERIOUS,
    needs=("policy", "hard_clip"),
    must_flag=("max_of_means", "one_decision_for_all"),
)
OTHERS = torch.tensor([-0.5, -0.3, -0.05, 0.0, 0.05, 0.3, 0.5], dtype=torch.float64)
CREDIT = torch.tensor([0.4, -0.3, 0.2, -0.4, 0.3, -0.2, 0.4], dtype=torch.float64)


def check(subject: Subject) -> Violation | None:
    if subject.capacity not in (None, 8) or "reward" in subject.available:
        raise NotApplicable("eight samples cannot be laid out")
    for credit in (5.0, -5.0):
        still = _gradient(subject, 0.0, credit)
        slack = 1e3 * subject.tolerance * still.abs().clamp_min(1e-3)
        if not bool(((_gradient(subject, 0.01, credit) - still).abs() <= slack).all()):
            raise NotApplicable("samples are coupled inside the clip range already (PPO507)")
        for move in (0.99 * subject.profile.reach, -0.99 * subject.profile.reach):
            moved = _gradient(subject, move, credit)
            if not bool(((moved - still).abs() <= slack).all()):
                given, other = (_roles(subject, x, credit) for x in (0.0, move))
                return worst(
                    Violation(
                        "When one sample leaves the clip range, the gradient of another one changes.",
                        site="surrogate",
                        explains=("PPO102", "PPO103"),
                        place=subject.coupling(given, other) or recorded_site(subject, "surrogate"),
                    ),
                    unless=(moved - still).abs() <= slack,
                    sample=torch.arange(1, 8),
                    got=moved,
                    want=still,
                )
    return None


def _roles(subject: Subject, move: float, credit: float) -> dict[str, torch.Tensor]:
    """The first sample at log-ratio `move` with advantage `credit`, and the seven others."""
    log_ratio = torch.cat([torch.tensor([move], dtype=torch.float64), OTHERS])
    roles: dict[str, torch.Tensor] = subject.at(
        log_ratio, torch.cat([torch.tensor([credit], dtype=torch.float64), CREDIT])
    )
    return roles


def _gradient(subject: Subject, move: float, credit: float) -> torch.Tensor:
    """The gradients of the seven others, (7,)."""
    gradient: torch.Tensor = subject.term("policy").gradient("log_prob", **_roles(subject, move, credit))
    return gradient[1:]
