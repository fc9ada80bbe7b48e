"""A target opened for the gate: afresh, or under the convention of a snapshot so that both see the same inputs."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch

from ppo_audit.api import opened
from ppo_audit.errors import UsageError
from ppo_audit.gate.cases import Case
from ppo_audit.gate.function_cases import ClipFractionGauge, LogProbGauge
from ppo_audit.gate.helper_cases import ControllerGauge, CreditGauge, ReturnsGauge
from ppo_audit.gate.losses import LossGauge
from ppo_audit.gate.reading import Operation, Reading
from ppo_audit.helpers.callee import callee_of
from ppo_audit.helpers.controller import Controller
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.log_prob import LogProb
from ppo_audit.helpers.metric import ClipFraction
from ppo_audit.helpers.reduction import reduction_settings
from ppo_audit.helpers.returns import Returns
from ppo_audit.helpers.rollout import Convention
from ppo_audit.recipes import RECIPES
from ppo_audit.settings import Settings
from ppo_audit.subjects.batch import Layout
from ppo_audit.subjects.called import bound
from ppo_audit.subjects.run import call_under_recorder
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.choices import choices_of
from ppo_audit.targets.helper_names import parameters_of
from ppo_audit.targets.names import is_scalar
from ppo_audit.targets.pieces import COMPLETED, WHOLE, given_probabilities, given_ratio, of_log_probs
from ppo_audit.targets.resolve import as_function, is_script, resolve

How = Mapping[str, Any]
"""How a target is called, as plain data: its kind, layout, roles and signs."""


class Gauge(Protocol):
    """What is measured by the gate, whatever it is."""

    def cases(self) -> list[Case]:
        """The designed cases."""

    def read(self, case: Case) -> Reading:
        """One case measured."""

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """What rounding does to it."""

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """What is recorded while it is measured."""


def open_afresh(spec: str, settings: Settings) -> tuple[Gauge, How]:
    """The target as an audit would call it, and how that is."""
    ((_, judged), *_), _ = opened(spec, settings)
    if isinstance(judged, Returns):
        return ReturnsGauge(judged), {"kind": "returns", **_convention(judged)}
    if isinstance(judged, Credit):
        return CreditGauge(judged), _told(judged, ("form", "layout"))
    if isinstance(judged, LogProb):
        return LogProbGauge(judged), _told(judged, ("form", "layout", "sign", "is_apart"))
    if isinstance(judged, ClipFraction):
        return ClipFractionGauge(judged), _told(judged, ("low", "high", "form", "in_tokens"))
    if isinstance(judged, Controller):
        return ControllerGauge(judged), {"kind": "controller", "adapts": judged.adapts}
    return LossGauge(judged), _loss_convention(judged)


def open_as(spec: str, settings: Settings, how: How) -> Gauge:
    """The target called as the snapshot says; raises UsageError where it cannot be."""
    if how["kind"] == "controller":
        gauge, now = open_afresh(spec, settings)
        if now != how:
            raise UsageError(f"`{spec}` is no controller of {how['adapts']} any more; take a new snapshot.")
        return gauge
    if how["kind"] in ("returns", *ALONE):
        function = as_function(resolve(spec), spec, dict(settings.values))
        return _helper_as(spec, function, settings, how)
    if is_script(spec) or spec in RECIPES or settings.inputs is not None or not _is_plain(spec, settings):
        gauge, now = open_afresh(spec, settings)
        if now["layout"] != how["layout"]:
            raise UsageError(
                f"`{spec}` now records another layout ({now['layout']}) than the one compared with ({how['layout']}); "
                f"take a new snapshot."
            )
        return gauge
    return LossGauge(_loss_as(spec, as_function(resolve(spec), spec, dict(settings.values)), settings, how))


def _is_plain(spec: str, settings: Settings) -> bool:
    """Whether a function is called with what it takes by name, no probabilities or choices among it."""
    function = as_function(resolve(spec), spec, dict(settings.values))
    return not (given_probabilities(function, dict(settings.roles)) or choices_of(function, dict(settings.values)))


def _helper_as(spec: str, function: Callable[..., Any], settings: Settings, how: How) -> Gauge:
    if how["kind"] in ALONE:
        told = {name: value for name, value in how.items() if name != "kind"}
        known = {name: value for name, value in settings.values if name in parameters_of(function)}
        return ALONE[how["kind"]](spec, function, values=known, **told)
    callee = callee_of(function, {name: role for role, name in settings.roles}, dict(settings.values))
    callee = dataclasses.replace(callee, roles={**how["roles"]})
    return ReturnsGauge(Returns(spec, callee, Convention(**how["convention"]), seed=settings.seed))


ALONE: Mapping[str, Callable[..., Gauge]] = {
    "advantages": lambda *of, **told: CreditGauge(Credit(*of, **told)),
    "log_prob": lambda *of, **told: LogProbGauge(LogProb(*of, **told)),
    "metric": lambda *of, **told: ClipFractionGauge(ClipFraction(*of, **told)),
}
"""Functions judged by what they return, by kind."""


def _told(judged: Credit | LogProb | ClipFraction, names: Sequence[str]) -> dict[str, Any]:
    """How such a function is called, as plain data."""
    found = {name: getattr(judged, name) for name in names}
    return {"kind": judged.kind, "parameters": dict(judged.parameters), **found}


def _convention(helper: Returns) -> dict[str, Any]:
    found = dataclasses.asdict(helper.convention)
    del found["agreement"]
    return {"convention": found, "roles": dict(helper.callee.roles)}


def _loss_convention(subject: Subject) -> dict[str, Any]:
    direct = subject.direct.subject
    layout = dataclasses.asdict(direct.layout) | {
        "tails": {role: list(tail) for role, tail in sorted(direct.layout.tails.items())},
        "tail": list(direct.layout.tail),
        "mask_dtype": str(direct.layout.mask_dtype).removeprefix("torch."),
    }
    return {
        "kind": subject.kind,
        "roles": sorted(direct.available),
        "layout": layout,
        "log_prob_sign": subject.log_prob_sign,
        "piece": subject.piece,
        "dtype": str(subject.computes_in).removeprefix("torch."),
    }


def _loss_as(spec: str, function: Callable[..., Any], settings: Settings, how: How) -> Subject:
    is_reduction = how["kind"] == "reduction"
    ratio, complete = given_ratio(function, dict(settings.roles)), COMPLETED.get(how.get("piece", WHOLE))
    function = of_log_probs(function, ratio) if ratio else complete(function) if complete else function
    call, asked = bound(function, (reduction_settings(function, settings) if is_reduction else None) or settings)
    layout = how["layout"] | {
        "tails": {role: tuple(tail) for role, tail in how["layout"]["tails"].items()},
        "tail": tuple(how["layout"]["tail"]),
        "mask_dtype": getattr(torch, how["layout"]["mask_dtype"]),
    }
    return Subject(
        spec,
        how["kind"],
        functools.partial(call_under_recorder, call, settings.device),
        {role: f"`{name}`" for name, role in asked.items()},
        frozenset(how["roles"]),
        Layout(**layout),
        {role: float(call.scalar(role, name.rpartition(".")[2])) for name, role in asked.items() if is_scalar(role)},
        log_prob_sign=how["log_prob_sign"],
        seed=settings.seed,
    )
