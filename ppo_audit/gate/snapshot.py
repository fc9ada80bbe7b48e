"""A snapshot: what a target computed on every designed case, how it was called, how far it stays finite."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.gate.cases import Case
from ppo_audit.gate.envelope import Envelope, envelope
from ppo_audit.gate.gauge import Gauge, How, open_afresh, open_as
from ppo_audit.gate.losses import LossGauge
from ppo_audit.gate.reading import Key, Operation, Reading
from ppo_audit.profile_card import card
from ppo_audit.settings import Settings

SCHEMA = "ppo-audit-snapshot/1"
WIDE: Key = ("wide rows", "float64", ())
"""The case that is run again with other options."""
MARKED = ("wide rows", "log-ratios", "ragged mask")
"""The cases whose operations' results are kept in brief."""


@dataclass(frozen=True)
class Snapshot:
    """Plain data: compared with another one, or written to a file that can be reviewed."""

    target: str
    how: How
    settings: Mapping[str, Any]
    made_with: Mapping[str, str]
    profile: Mapping[str, Any] = field(default_factory=dict)
    envelope: Envelope = field(default_factory=dict)
    operations: Mapping[str, tuple[Operation, ...]] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()

    def by_key(self) -> dict[Key, Reading]:
        """Its readings by case, dtype and options."""
        return {reading.key: reading for reading in self.readings}


@dataclass(frozen=True)
class Measured:
    """A snapshot with the live target and the cases behind it."""

    snapshot: Snapshot
    gauge: Gauge
    cases: Mapping[Key, Case]


def take(spec: str, settings: Settings) -> Measured:
    """Measure a target as an audit would call it."""
    with quiet():
        gauge, how = open_afresh(spec, settings)
        return _measured(spec, settings, gauge, how, gauge.cases())


def take_as(spec: str, settings: Settings, other: Snapshot) -> Measured:
    """Measure a target as another one was called, on the very options that it was measured with."""
    with quiet():
        gauge = open_as(spec, settings, other.how)
        tried = list(other.by_key())
        own = {_key(case): case for case in gauge.cases()}
        cases = [case for key, case in own.items() if key in tried]
        for wide in [case for key, case in own.items() if key == WIDE]:
            cases += [dataclasses.replace(wide, options=key[2]) for key in tried if key not in own and key[2]]
        return _measured(spec, settings, gauge, other.how, cases)


def with_profile(measured: Measured) -> Snapshot:
    """The snapshot with the profile and with what rounding does to each number: what a file holds beyond the rest."""
    with quiet():
        noise = [
            dataclasses.replace(reading, noise=measured.gauge.noise(measured.cases[reading.key], reading))
            for reading in measured.snapshot.readings
        ]
        return dataclasses.replace(measured.snapshot, readings=tuple(noise), profile=profile(measured.gauge))


def profile(gauge: Gauge) -> Mapping[str, Any]:
    """What the loss was measured to be; empty for helpers, and where it cannot be measured."""
    if not isinstance(gauge, LossGauge):
        return {}
    try:
        return card(gauge.subject)
    except NotApplicable:
        return {}


def settings_of(snapshot: Snapshot) -> Settings:
    """The settings that a snapshot was taken with."""
    kept = snapshot.settings
    return Settings(
        roles=tuple((role, name) for role, name in kept["roles"]),
        values=tuple((name, value) for name, value in kept["values"]),
        inputs=kept["inputs"],
        seed=kept["seed"],
        script_args=tuple(kept["script_args"]),
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Awkward inputs are the point: what torch warns of shows in the numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _measured(spec: str, settings: Settings, gauge: Gauge, how: How, cases: Sequence[Case]) -> Measured:
    by_key = {_key(case): case for case in cases}
    marked = {case.name: gauge.operations(case) for case in cases if case.name in MARKED and case.dtype == "float64"
              and not case.options}  # fmt: skip
    snapshot = Snapshot(
        spec,
        how,
        {
            "roles": [list(pair) for pair in settings.roles],
            "values": [list(pair) for pair in settings.values],
            "inputs": settings.inputs,
            "seed": settings.seed,
            "script_args": list(settings.script_args),
        },
        {"ppo-audit": importlib.metadata.version("ppo-audit"), "torch": str(torch.__version__)},
        envelope=envelope(gauge) if isinstance(gauge, LossGauge) else {},
        operations={name: ops for name, ops in marked.items() if ops},
        readings=tuple(gauge.read(case) for case in by_key.values()),
    )
    return Measured(snapshot, gauge, by_key)


def _key(case: Case) -> Key:
    return case.name, case.dtype, case.options
