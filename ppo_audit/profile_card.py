"""The profile as plain data for reports: what the loss was measured to compute."""

from __future__ import annotations

from ppo_audit.subjects.subject import Subject
from ppo_audit.subjects.variants import length_weighting, variant


def card(subject: Subject) -> dict[str, object]:
    """Measured facts by name, numbers rounded to six digits; what was not to be measured is left out."""
    profile, anatomy = subject.profile, subject.anatomy
    low, high = profile.clip
    facts: dict[str, object] = {
        "variant": variant(subject),
        "surrogate": profile.surrogate,
        "reduction": profile.reduction,
        "length_weighting": length_weighting(subject) if "policy" in anatomy.families else None,
        "terms": sorted(anatomy.families),
        "clip_range": _range(low, high),
        "dual_clip": _digits(profile.dual_clip),
        "log_ratio_clamp": _digits(profile.clamp),
        "normalisation": _normalisation(subject),
        "one_sample_guard": (list(anatomy.guards) or None) if profile.normalisation else None,
        "layout": subject.layout.name,
        "dtype": str(subject.computes_in).removeprefix("torch."),
        "log_prob_sign": "negative log-probs" if subject.log_prob_sign < 0 else None,
    }
    facts |= {f"{name}_coefficient": _digits(value) for name, value in anatomy.coefficients.items()}
    facts |= {name: _digits(value) for name, value in subject.scalars.items() if name not in facts}
    return {name: value for name, value in facts.items() if value is not None}


def _range(low: float | None, high: float | None) -> object:
    """The half-width where the clip is symmetric, else both bounds on the ratio."""
    if low is None or high is None:
        return None
    if abs((1 - low) - (high - 1)) < 1e-4:
        return float(f"{high - 1:.4g}")
    return {"low": float(f"{low:.6g}"), "high": float(f"{high:.6g}")}


def _normalisation(subject: Subject) -> object:
    found = subject.profile.normalisation
    if found is None:
        return None
    return {"scope": found.scope, "ddof": found.ddof, "epsilon": found.epsilon}


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}") + 0.0  # of a negative zero a zero
