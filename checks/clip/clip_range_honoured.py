"""The clip acts where the clip range says.

Property.  With the arguments eps_low and eps_high the policy gradient ends at ratio 1 + eps_high for A > 0 and at 1 -
           eps_low for A < 0: it lives at 0.98 of either distance and is zero at 1.02 of it. In log space exp(+-eps)
           is as good, and so is 1 / (1 + eps_high) below.
Why.       The range is the trust region. Squared, swapped, or written into the code, it is not the one that was tuned,
           and a sweep over it measures nothing. Schulman et al. 2017, arXiv:1707.06347, eq. 7; Yu et al. 2025,
           arXiv:2503.14476, eq. 10 (two bounds).
Applies.   Losses that take a clip range and clip the ratio; sides on which no clip acts belong to PPO102 and PPO103.
           Not an upper bound that is a wider number of its own, nor a range that a held fraction shrinks.
Tested.    The given range and half of it, on both sides, at 0.98 and 1.02 of the distance; a recording at its own.
Severity.  Serious: the trust region has another size than its owner believes.
Fix.       Clip the ratio to 1 - clip_range and 1 + clip_range (or their own upper range), as given.
"""

import math

import torch

from ppo_audit import NotApplicable, Rule, Severity, Subject, Violation, worst
from ppo_audit.probes.clip import acting_bounds
from ppo_audit.probes.options import is_of_another_mode, option, with_options

RULE = Rule(
    code="PPO106",
    name="clip-range-honoured",
    family="clip",
    severity=Severity.SERIOUS,
    needs=("policy", "hard_clip", "role:clip_range"),
    must_flag=(
        "epsilon_squared",
        "bounds_swapped",
        "epsilon_hard_coded",
        "lower_bound_is_epsilon",
        "radius_hard_coded_in_a_module",
    ),
)
INSIDE, OUTSIDE = 0.98, 1.02
COLUMNS = ("clip_range", "ratio", "advantage", "got", "want")


def check(subject: Subject) -> Violation | None:
    given = _given(subject)
    rows = [_edges(subject, given, factor) for factor in ((1.0, 0.5) if _is_option(subject) else (1.0,))]
    cases = {name: torch.cat(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
    low, high = (None if bound is None else float(f"{bound:.4g}") for bound in subject.profile.clip)
    return worst(
        Violation(
            f"The clip does not act at the given range: measured at ratios {low} and {high}.",
            evidence={"measured_low": low, "measured_high": high},
            site="clip" if "clip" in subject.anatomy.sites else "surrogate",
            explains=("PPO102", "PPO103"),
        ),
        unless=cases["got"] == cases["want"],
        **cases,
    )


def _edges(subject: Subject, given: tuple[float, float], factor: float) -> list[torch.Tensor]:
    """The columns; `got` and `want` say whether a gradient is found there and belongs there (1 or 0)."""
    low, high = (factor * radius for radius in given)
    sides = [(1.0, high), (-1.0, -high / (1 + high) if _is_reciprocal(subject, given) else -low)]
    acting = [side for side, bound in zip(sides, acting_bounds(subject), strict=True) if bound is not None]
    if not acting or not subject.profile.scale > 0:
        raise NotApplicable("no clip acts on the gradient (PPO102)")
    cases = [(sign, part * distance, part < 1) for sign, distance in acting for part in (INSIDE, OUTSIDE)]
    sign, distance, alive = torch.tensor(cases, dtype=torch.float64).T
    log_ratio = distance if _in_log_space(subject, given) else distance.log1p()
    if not bool((log_ratio.abs() <= subject.profile.reach).all()):
        raise NotApplicable("the log-ratio is clamped inside the clip range (PPO109)")
    narrowed = subject if factor == 1 else with_options(subject, {"clip_range": low, "clip_range_high": high})
    found = (narrowed.policy(log_ratio, sign) != 0).double()
    return [torch.full_like(sign, low), log_ratio.exp(), sign, found, alive]


def _is_option(subject: Subject) -> bool:
    """Whether the range can be set: an argument, an option of a class, a number that a closure or container holds."""
    found = option(subject, "clip_range")
    return found is not None and found.value == subject.settings["clip_range"] and subject.capacity is None


def _given(subject: Subject) -> tuple[float, float]:
    low = subject.settings["clip_range"]
    if not 0 < low < 1:
        raise NotApplicable(f"a clip range of {low:g} leaves the lower side open")
    high = subject.settings.get("clip_range_high", low)
    return low, low if high != low and is_of_another_mode(subject, "clip_range_high") else high


def _is_reciprocal(subject: Subject, given: tuple[float, float]) -> bool:
    """Whether the lower bound is one over the upper one, as far from one in log space."""
    low, high = subject.profile.clip[0], given[1]
    return low is not None and abs((1 - low) * (1 + high) - high) < 1e-3 * high


def _in_log_space(subject: Subject, given: tuple[float, float]) -> bool:
    """Whether the log-ratio is clipped at +-eps itself, which puts the bounds on the ratio at exp(+-eps)."""
    low, _ = subject.profile.clip
    return subject.anatomy.clips_log_ratio and low is not None and abs(math.log(low) + given[0]) < 1e-4
