"""Which published variant a policy term is: named only where what was measured equals it to rounding.

A variant is a claim about d loss / d log-prob as a function of log-ratio x and advantage A, about what the ratio
belongs to (a token or a sequence), and about how tokens are averaged.
"""

from __future__ import annotations

import dataclasses
import math

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.subjects.profile import Profile
from ppo_audit.subjects.subject import Subject, gradient_of

TOKENS = 4


def variant(subject: Subject) -> str:
    """The name of the variant, or what it was measured to be instead."""
    profile = subject.profile
    if subject.kind == "reduction":
        return f"masked {profile.reduction} of any numbers"
    if subject.available - {"mask"} <= {"value", "old_value", "return_"} and "value" in subject.anatomy.families:
        return f"value loss alone{', predictions clipped' * ('value_clip' in profile.claims)}"
    if "policy" not in subject.anatomy.families or not profile.scale > 0:
        return "no policy term that pushes at ratio 1"
    form = "advantage-weighted regression (AWR)" if _weighs_zero(subject) else _form(subject, profile)
    return f"{form}{_averaging(subject)}{_penalty(subject)}"


def _form(subject: Subject, profile: Profile) -> str:
    """The surrogate by its gradient on a grid within the reach of the rules."""
    log_ratio, advantage = _grid(profile.reach)
    try:
        got = subject.policy(log_ratio, advantage) / profile.scale
    except NotApplicable:
        return "policy gradient of unknown form"
    ratio, bound = log_ratio.exp(), 1e4 * subject.tolerance
    candidates = {
        _clip_name(subject, profile): _clipped(ratio, advantage, profile),
        "importance-weighted policy gradient": -ratio * advantage,
        "policy gradient (REINFORCE, A2C)": -advantage,
        f"CISPO (weights capped at {_cap(got, advantage):.4g})": -ratio.clamp(max=_cap(got, advantage)) * advantage,
    }
    fits = [name for name, want in candidates.items() if bool(((got - want).abs() <= bound * (1 + want.abs())).all())]
    return fits[0] if fits else _unnamed(subject)


def _weighs_zero(subject: Subject) -> bool:
    """Whether samples of advantage zero still count: the credit is exp(A) or its like."""
    zeros = torch.zeros(subject.capacity or 8, dtype=torch.float64)
    roles = ("advantage",) if "advantage" in subject.available else ("value", "return_")
    if not subject.available.issuperset(roles):
        return False
    gradient = subject.term("policy").gradient("log_prob", **dict.fromkeys(roles, zeros))
    return bool((gradient != 0).all())


def _grid(reach: float) -> tuple[torch.Tensor, torch.Tensor]:
    log_ratio = torch.linspace(-reach, reach, 80, dtype=torch.float64)
    pairs = torch.cartesian_prod(log_ratio, torch.tensor([1.0, -1.0, 0.3, -2.0], dtype=torch.float64))
    return pairs[:, 0], pairs[:, 1]


def _clipped(ratio: torch.Tensor, advantage: torch.Tensor, profile: Profile) -> torch.Tensor:
    low, high = (bound if bound is not None else math.nan for bound in profile.clip)
    banked = ((advantage > 0) & (ratio > high)) | ((advantage < 0) & (ratio < low))
    bounded = (advantage < 0) & (ratio > (profile.dual_clip or math.inf))
    return torch.where(banked | bounded, 0.0, -ratio * advantage) * (1.0 if math.isfinite(low + high) else math.nan)


def _clip_name(subject: Subject, profile: Profile) -> str:
    low, high = profile.clip
    base = "GSPO" if _is_sequence_level(subject) else "PPO-clip"
    if low is None or high is None:
        return base
    is_wider = high - 1 > 1.05 * (1 - low) and base == "PPO-clip"
    name = f"{base}, clip-higher" if is_wider else base
    return f"{name}, dual clip at {profile.dual_clip:.3g}" if profile.dual_clip else name


def _cap(got: torch.Tensor, advantage: torch.Tensor) -> float:
    """The largest weight that was seen on a unit advantage."""
    return float((got / advantage).abs().max())


def _unnamed(subject: Subject) -> str:
    return "weighted log-probs (AWR or kin)" if subject.anatomy.is_weight_detached else "surrogate of its own"


def _is_sequence_level(subject: Subject) -> bool:
    """Whether moving one token's log-prob moves the ratio of its neighbours."""
    weights = token_weights(subject, move_first=0.1)
    still = token_weights(subject, move_first=0.0)
    if weights is None or still is None:
        return False
    return bool((weights[0, 1:] - still[0, 1:]).abs().max() > 1e-6 * still.abs().max())


def _averaging(subject: Subject) -> str:
    found = length_weighting(subject)
    return f", {found}" if found else ""


TOKEN_MEAN, SEQUENCE_MEAN = "mean over tokens", "mean over tokens, then over sequences"
SEQUENCE_SUM, CONSTANT = "sum over tokens, mean over sequences", "divided by a constant length"
GIVEN = "divided by a number from outside the loss"
"""All that a recording shows of a constant, which may have been counted for its minibatch."""


def length_weighting(subject: Subject) -> str | None:
    """How tokens of sequences of unequal length weigh: by token, by sequence, or by a constant; None: not measured."""
    long, short = token_weights(subject), token_weights(subject, short=1)
    if long is None or short is None:
        return None
    first, second = short[0, 0].abs(), short[1, 0].abs()
    if not torch.allclose(first, second, rtol=1e-4):
        return SEQUENCE_MEAN if torch.allclose(first, TOKENS * second, rtol=1e-4) else None
    if not torch.allclose(second, long[1, 0].abs(), rtol=1e-4):
        return TOKEN_MEAN
    if abs(2 * float(second) - 1) < 1e-4:
        return SEQUENCE_SUM
    return GIVEN if subject.kind == "trainer" else CONSTANT


def _penalty(subject: Subject) -> str:
    coefficient = subject.anatomy.coefficients.get("kl")
    return f", plus KL term times {coefficient:.4g}" if coefficient else ""


def token_weights(subject: Subject, short: int = 0, move_first: float = 0.0) -> torch.Tensor | None:
    """d policy term / d log-prob of each token, (2, T), for A = 1; the first sequence keeps `short` tokens (0: all).

    None where the target takes no masked sequences.
    """
    if "mask" not in subject.available or not subject.layout.tail or subject.capacity is not None:
        return None
    tokens = dataclasses.replace(subject, layout=subject.layout.tokens(TOKENS))
    batch = tokens.rows(2)
    ones = torch.ones(2, TOKENS, dtype=torch.float64)
    old = -1.5 * ones
    new = old.clone()
    new[0, 0] += move_first
    keep = ones.clone()
    if short:
        keep[0, short:] = 0
    batch |= {"mask": tokens.layout.mask(keep), "old_log_prob": old, "log_prob": new}
    batch["effective_advantage" if "normalisation" in tokens.anatomy.sites else "advantage"] = torch.ones(
        tokens.layout.shape("advantage", 2), dtype=torch.float64
    )
    try:
        run = tokens.run(batch)
        return gradient_of(tokens.term("policy").scalar(run), run.leaves["log_prob"]).reshape(2, -1)
    except NotApplicable:
        return None
