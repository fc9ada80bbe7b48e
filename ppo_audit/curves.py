"""Pictures of what a loss computes, as plain numbers beside the reference; each is left out where it does not apply."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import REFERENCE, Curve
from ppo_audit.probes.kl import kl_values
from ppo_audit.probes.quantities import term_roles
from ppo_audit.reference import asymmetric_clipped_surrogate, clipped_value_loss, k1, k2, k3, value_loss
from ppo_audit.subjects.subject import Subject

USUAL_CLIP = (0.8, 1.2)
OLD_LOG_PROB = -1.5
POINTS = 61
COARSE = 25
"""Points where each of them is a run of its own."""


def curves(subject: Subject) -> tuple[Curve, ...]:
    """Policy loss and gradient, value loss, KL term and normalised advantages, as far as the loss has them."""
    makers = (_policy_loss, _policy_gradient, _value_loss, _kl, _advantages)
    return tuple(curve for maker in makers for curve in _drawn(maker, subject))


def _drawn(maker: Callable[[Subject], Curve], subject: Subject) -> Iterator[Curve]:
    try:
        yield maker(subject)
    except NotApplicable:
        return


def _grid(subject: Subject, low: float, high: float) -> torch.Tensor:
    count = POINTS if subject.capacity is None else COARSE
    return torch.linspace(low, high, count, dtype=torch.float64)


def _numbers(values: torch.Tensor) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values.detach().double().reshape(-1).tolist())


def _require(subject: Subject, *needs: str) -> None:
    missing = subject.needs(needs)
    if missing:
        raise NotApplicable(missing)


def _bounds(subject: Subject) -> tuple[float, float]:
    try:
        return subject.profile.bounds
    except NotApplicable:
        return USUAL_CLIP


def _policy_loss(subject: Subject) -> Curve:
    ratio, bounds = _policy_grid(subject)
    series: dict[str, torch.Tensor] = {}
    for sign in (1.0, -1.0):
        advantage = torch.full_like(ratio, sign)
        series[f"measured, A = {sign:+.0f}"] = subject.policy_losses(ratio.log(), advantage)
        series[f"{_clip_name(bounds)}, A = {sign:+.0f}"] = _surrogate(ratio, sign, bounds, subject.profile.scale)
    return Curve("policy-loss", "Policy loss", "ratio", "loss of one sample", _numbers(ratio), _plain(series))


def _policy_gradient(subject: Subject) -> Curve:
    ratio, bounds = _policy_grid(subject)
    series: dict[str, torch.Tensor] = {}
    for sign in (1.0, -1.0):
        log_ratio = ratio.log().requires_grad_()
        loss = _surrogate(log_ratio.exp(), sign, bounds, subject.profile.scale).sum()
        (expected,) = torch.autograd.grad(loss, [log_ratio])
        measured = subject.policy(log_ratio.detach(), torch.full_like(ratio, sign))
        series[f"measured, A = {sign:+.0f}"] = measured
        series[f"{_clip_name(bounds)}, A = {sign:+.0f}"] = expected
    return Curve(
        "policy-gradient",
        "Policy gradient",
        "ratio",
        "d loss / d log-prob of one sample",
        _numbers(ratio),
        _plain(series),
    )


def _policy_grid(subject: Subject) -> tuple[torch.Tensor, tuple[float, float]]:
    """Ratios off the kinks of usual clips, and the bounds to compare with."""
    _require(subject, "policy", "ratio")
    bounds = _bounds(subject)
    return _grid(subject, 0.043, max(3.017, 1.5 * min(bounds[1], 10.0))), bounds


def _surrogate(ratio: torch.Tensor, sign: float, bounds: tuple[float, float], scale: float) -> torch.Tensor:
    """The reference's loss of one sample, on the scale that the subject has at ratio 1."""
    low, high = bounds
    objective: torch.Tensor = asymmetric_clipped_surrogate(ratio, torch.full_like(ratio, sign), 1 - low, high - 1)
    return -(scale or 1.0) * objective


def _clip_name(bounds: tuple[float, float]) -> str:
    return f"{REFERENCE}PPO clip [{bounds[0]:.3g}, {bounds[1]:.3g}]"


def _value_loss(subject: Subject) -> Curve:
    """Against the prediction, for a target of 1 and an old value of 0."""
    _require(subject, "value", "scalar_critic")
    value = _grid(subject, -2.03, 4.03)
    old, target = torch.zeros_like(value), torch.ones_like(value)
    given = {"value": value, "old_value": old, "return_": target}
    known = {role: rows for role, rows in given.items() if role in subject.available}
    measured = subject.term("value").row_values(**known)
    reference = _scaled(value_loss(value, target), measured)
    series = {"measured": measured, f"{REFERENCE}squared error": reference}
    clip = subject.settings.get("clip_range_value", subject.settings.get("clip_range"))
    if not subject.needs(("value_clip",)) and clip is not None and 0 < clip < math.inf:
        clipped = clipped_value_loss(value, old, target, clip)
        series[f"{REFERENCE}clipped at ±{clip:.3g}"] = clipped * (reference[0] / value_loss(value, target)[0])
    note = "The target is 1, the old value 0; the reference has the scale of what was measured."
    return Curve("value-loss", "Value loss", "value", "loss of one sample", _numbers(value), _plain(series), note)


def _scaled(reference: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """The reference with the coefficient of the loss, read where value and old value lie on one side of the target."""
    scale = float(measured[0] / reference[0])
    return reference * (scale if math.isfinite(scale) and scale > 0 else 1.0)


def _kl(subject: Subject) -> Curve:
    """Against the log-ratio, where the KL term reads log-probs; exact forms have no estimator to compare with."""
    _require(subject, "kl")
    roles = term_roles(subject, "kl")
    other = next((role for role in ("ref_log_prob", "old_log_prob") if role in roles), None)
    if other is None or "log_prob" not in roles:
        raise NotApplicable("the KL term reads no pair of log-probs")
    log_ratio = _grid(subject, -1.5, 1.49)
    base = torch.full_like(log_ratio, OLD_LOG_PROB)
    measured = kl_values(subject, {"log_prob": base + log_ratio, other: base})
    # k estimates KL(q || p) with x = log p - log q: here q is the policy that the sample came from.
    pair = (base + log_ratio, base) if other == "ref_log_prob" else (base, base + log_ratio)
    series = {"measured": measured} | {f"{REFERENCE}{k.__name__}": k(*pair) for k in (k1, k2, k3)}
    label = f"log_prob - {other}"
    return Curve(
        "kl", "KL term", label, "KL term of one sample", _numbers(log_ratio), _plain(series), "Without its coefficient."
    )


def _advantages(subject: Subject) -> Curve:
    _require(subject, "normalisation", "role:advantage")
    count = subject.capacity or subject.whole_groups(24)
    generator = torch.Generator().manual_seed(subject.seed)
    given = (1.5 + 2 * torch.randn(count, generator=generator, dtype=torch.float64)).sort().values
    made = subject.normalised(given)
    if made.numel() != given.numel():
        raise NotApplicable("the normalised advantages cannot be laid beside the given ones")
    standard = (given - given.mean()) / given.std()
    series = {"measured": made, f"{REFERENCE}mean 0, deviation 1": standard, f"{REFERENCE}unchanged": given}
    title, label = "Advantages before and after normalisation", "advantage before"
    return Curve("advantages", title, label, "advantage after", _numbers(given), _plain(series))


def _plain(series: dict[str, torch.Tensor]) -> dict[str, tuple[float, ...]]:
    return {name: _numbers(values) for name, values in series.items()}
