"""The profile: what a loss was measured to be. A rule judges only what the profile claims.

The policy gradient on a grid of log-ratios for A = +1 and A = -1 shows scale, clip bounds, dual clip and clamp; a
normaliser is told by its own output on known advantages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.recording.graph import clamp_bounds

if TYPE_CHECKING:
    from ppo_audit.subjects.subject import Subject

SURVEY = 30.0
"""How far the survey of the policy gradient goes, in log-ratio."""


@dataclass(frozen=True)
class Normalisation:
    """An advantage normaliser inside the loss: degrees of freedom and epsilon as measured, None for another form."""

    scope: str
    ddof: int | None
    epsilon: float | None


@dataclass(frozen=True)
class Profile:
    """Bounds are on the ratio, None where absent; `scale` is |d policy / d log-prob| of a row at ratio 1, |A| = 1."""

    surrogate: str
    reduction: str
    scale: float
    claims: frozenset[str]
    clip: tuple[float | None, float | None] = (None, None)
    declared: tuple[float | None, float | None] = (None, None)
    dual_clip: float | None = None
    clamp: float | None = None
    normalisation: Normalisation | None = None
    coefficients: Mapping[str, float] | None = None

    @property
    def reach(self) -> float:
        """The largest log-ratio that rules 102 to 107 judge; what lies beyond belongs to PPO101 and PPO109."""
        return min(2.0, 0.9 * self.clamp) if self.clamp else 2.0

    @property
    def bounds(self) -> tuple[float, float]:
        """The claimed clip bounds: declared ones first, since a missing clip cannot be measured."""
        low, high = (
            given if given is not None else found for given, found in zip(self.declared, self.clip, strict=True)
        )
        if low is None and high is None:
            raise NotApplicable("the clip range is neither given nor to be measured")
        lower, upper = (2 - high if low is None else low, 2 - low if high is None else high)  # type: ignore[operator]
        if not lower > 0:
            raise NotApplicable(f"a bound of {upper:g} on the ratio leaves the lower side open")
        return lower, upper


def measure(subject: Subject) -> Profile:
    """Measure a subject; a loss without a policy term has terms and claims only."""
    anatomy = subject.anatomy
    if "policy" not in anatomy.families or "log_prob" not in subject.available:
        return Profile("none", anatomy.reduction, 0.0, _claims(subject), coefficients=anatomy.coefficients)
    up, down = (_edges(subject, sign) for sign in (1.0, -1.0))
    clamp = _clamp(subject, up, down)
    return Profile(
        surrogate=_surrogate(subject, up, down),
        reduction=anatomy.reduction,
        scale=subject.scale,
        claims=_claims(subject),
        clip=(_ratio(down[0]), _ratio(up[1])),
        declared=_declared(subject),
        dual_clip=_dual_clip(down[1], clamp, _declared(subject)[1]),
        clamp=clamp,
        normalisation=_normalisation(subject),
        coefficients=anatomy.coefficients,
    )


def _ratio(edge: float | None) -> float | None:
    return None if edge is None else math.exp(edge)


def _dual_clip(edge: float | None, clamp: float | None, high: float | None) -> float | None:
    """The ratio from which on losses are bounded by design; an edge at the clamp, or at the clip itself, is none."""
    if edge is None or (clamp is not None and edge > clamp - 1e-3):
        return None
    return None if high is not None and abs(math.exp(edge) - high) < 1e-3 * high else math.exp(edge)


def scale_of(subject: Subject) -> float:
    """How much one row counts in the policy term, in units of a mean; 0 without such a term."""
    if "policy" not in subject.anatomy.families or "log_prob" not in subject.available:
        return 0.0
    gradient = subject.policy(torch.zeros(2, dtype=torch.float64), torch.tensor([1.0, -1.0], dtype=torch.float64))
    return float(gradient.abs().max())


def _edges(subject: Subject, advantage: float) -> tuple[float | None, float | None]:
    """The log-ratios, below and above zero, from which on the policy gradient is exactly zero."""
    return _edge(subject, advantage, -1.0), _edge(subject, advantage, 1.0)


def _edge(subject: Subject, advantage: float, side: float) -> float | None:
    low, high = 0.0, SURVEY
    points = torch.cat([torch.linspace(0.0, 3.0, 301), torch.linspace(3.1, SURVEY, 60)]).to(torch.float64)
    for _ in range(3):
        dead = subject.policy(side * points, torch.full_like(points, advantage)) == 0
        if not bool(dead[-1]):
            return None
        alive = (~dead).nonzero().flatten()
        if not len(alive):
            return None
        last = int(alive[-1])
        low, high = float(points[last]), float(points[last + 1])
        points = torch.linspace(low, high, 101, dtype=torch.float64)
    return side * 0.5 * (low + high)


def _clamp(
    subject: Subject, up: tuple[float | None, float | None], down: tuple[float | None, float | None]
) -> float | None:
    """The bound of a log-ratio clamp: recorded between difference and exponential, else dead on both outer sides."""
    site = subject.anatomy.sites.get("log_ratio_clamp")
    bounds = [abs(bound) for bound in clamp_bounds(site) if bound is not None] if site else []
    if bounds:
        return min(bounds)
    if up[0] is not None and down[1] is not None and abs(up[0] + down[1]) < 1e-3:
        return down[1]
    return None


def _surrogate(subject: Subject, up: tuple[float | None, float | None], down: tuple[float | None, float | None]) -> str:
    if not subject.anatomy.has_ratio:
        return "policy-gradient"
    if subject.anatomy.is_weight_detached:
        return "weighted"
    return "ppo-clip" if up[1] is not None or down[0] is not None else "importance-weighted"


def _declared(subject: Subject) -> tuple[float | None, float | None]:
    """The bounds that the arguments claim, else those of the recorded clamp."""
    scalars, recorded = subject.settings, subject.anatomy.clip_bounds
    low = scalars.get("clip_range")
    high = scalars.get("clip_range_high", low)
    if low is None or high is None or not 0 < low < 1:
        return recorded
    if "clip_range_high" not in scalars and _is_clip_higher(recorded, low):
        return recorded
    return 1 - low, 1 + high


def _is_clip_higher(recorded: tuple[float | None, float | None], low: float) -> bool:
    """Whether the range sets the lower bound alone: the upper one is a wider number of its own."""
    lower, upper = recorded
    return lower is not None and upper is not None and abs(lower - 1 + low) < 1e-6 and upper > 1 + 1.1 * low


def _normalisation(subject: Subject) -> Normalisation | None:
    """Degrees of freedom and epsilon, from what the normaliser makes of advantages 0, 1, 2 ... and of tiny ones."""
    anatomy = subject.anatomy
    if "normalisation" not in anatomy.sites or "advantage" not in subject.available:
        return None
    rows = subject.capacity or 8
    fits: Callable[[torch.Tensor, int, float], torch.Tensor] = lambda x, ddof, eps: (
        (x - x.mean()) / (x.std(correction=ddof) + eps)
    )
    wide, tiny = torch.arange(rows, dtype=torch.float64), 1e-7 * torch.arange(rows, dtype=torch.float64)
    got = subject.normalised(wide)
    ddof = next((d for d in (1, 0) if torch.allclose(got, fits(wide, d, 0.0), rtol=1e-5, atol=1e-6)), None)
    if ddof is None:
        return Normalisation("other", None, None)
    small, spread = subject.normalised(tiny), float(tiny.std(correction=ddof))
    factor = float(((tiny - tiny.mean()).abs() / small.abs().clamp_min(1e-300)).median())
    return Normalisation("batch", ddof, _round(max(factor - spread, 0.0)))


def _round(number: float) -> float:
    return float(f"{number:.2g}")


def _is_soft(subject: Subject) -> bool:
    """Whether the range shapes the gradient without any choice between branches: a penalty around it, no hard clip."""
    if "surrogate" in subject.anatomy.sites or subject.capacity is not None or "policy" not in subject.anatomy.families:
        return False
    log_ratio = torch.linspace(-0.5, 0.5, 21, dtype=torch.float64)
    roles = subject.at(log_ratio, torch.ones_like(log_ratio))
    term = subject.term("policy")
    narrow, wide = (term.gradient("log_prob", **roles, clip_range=radius) for radius in (0.1, 0.3))
    return not torch.equal(narrow, wide)


def _claims(subject: Subject) -> frozenset[str]:
    """What the subject claims to do, by its arguments or its recording."""
    anatomy, scalars = subject.anatomy, subject.scalars
    clips = "clip" in anatomy.sites or ("clip_range" in scalars and not _is_soft(subject))
    clips = clips or anatomy.compares_surrogates
    claims = {
        "ratio": anatomy.has_ratio,
        "hard_clip": anatomy.has_ratio and clips and not anatomy.is_weight_detached,
        "normalisation": "normalisation" in anatomy.sites,
        "value_clip": "old_value" in subject.available
        and ("value_clip" in anatomy.sites or "clip_range_value" in scalars),
        "quantiles": "value" in subject.layout.tails and subject.layout.tails["value"][-1:] > (1,),
        "half_precision": {subject.computes_in, subject.declared_dtype} & {torch.bfloat16, torch.float16} != set(),
        "two_distributions": {"mean", "old_mean"} <= subject.available or {"logits", "old_logits"} <= subject.available,
    }
    claims["scalar_critic"] = "value" in subject.available and not claims["quantiles"]
    return frozenset(name for name, holds in claims.items() if holds)
