"""Layers into settings: defaults, the file, the table of a target, the command line; the later wins."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ppo_audit.configuration.document import Document
from ppo_audit.configuration.keys import (
    EVERYWHERE,
    FIRST,
    ONE_TARGET,
    TARGETS,
    WHOLE_RUN,
    Given,
    Layer,
    check_names,
    names_of,
    read_keys,
    specs_of,
)
from ppo_audit.configuration.readers import Where
from ppo_audit.errors import Complaints
from ppo_audit.settings import Settings, normal_spec

DEFAULT = "default"
ADDED = frozenset(("roles", "values", "severities", "thresholds", "tolerances", "waivers"))
"""Settings to which a later layer adds, its own entry winning; every other one it replaces."""


@dataclass(frozen=True)
class Configuration:
    """What a file says: for every target, and for each by its spec."""

    common: Layer = field(default_factory=dict)
    targets: Mapping[str, Layer] = field(default_factory=dict)


def read_configuration(document: Document | None, complaints: Complaints) -> Configuration:
    """The layers of a file; everything that is wrong in it goes to the complaints."""
    if document is None:
        return Configuration()
    top = Where(document.label, document.folder)
    check_names(document.tables, (TARGETS, *names_of((*FIRST, *EVERYWHERE, *WHOLE_RUN))), top, complaints)
    first = read_keys(document.tables, FIRST, top, complaints)
    own = first["rule_paths"].value if first else ()
    where = dataclasses.replace(top, rule_paths=own)
    common = {**first, **read_keys(document.tables, (*EVERYWHERE, *WHOLE_RUN), where, complaints)}
    return Configuration(common, _targets(document.tables.get(TARGETS, []), where.below(TARGETS), complaints))


def _targets(value: Any, where: Where, complaints: Complaints) -> dict[str, Layer]:
    found: dict[str, Layer] = {}
    nothing: Mapping[str, Mapping[str, Any]] = {}
    for spec, table in complaints.hear(lambda: specs_of(value, where), nothing).items():
        here = where.below(spec)
        check_names(table, names_of((*EVERYWHERE, *ONE_TARGET)), here, complaints)
        found[normal_spec(spec)] = read_keys(table, (*EVERYWHERE, *ONE_TARGET), here, complaints)
    return found


def settings_of(configuration: Configuration, given: Layer) -> Settings:
    """One value for the whole run: what holds for every target, and for each that has a table of its own."""
    whole = _settings(configuration.common, given)
    tables = configuration.targets.items()
    own = tuple((spec, _settings(configuration.common, table, given)) for spec, table in tables if table)
    return dataclasses.replace(whole, targets=own)


def _settings(*layers: Layer) -> Settings:
    return Settings(**{name: each.value for name, each in _merged(*layers).items()})


def _merged(*layers: Layer) -> dict[str, Given]:
    merged: dict[str, Given] = {}
    for layer in layers:
        for name, given in layer.items():
            before = merged.get(name)
            merged[name] = _sum(before, given) if before and name in ADDED else given
    return merged


def _sum(before: Given, later: Given) -> Given:
    origin = ", ".join(dict.fromkeys((before.origin, later.origin)))
    if not all(isinstance(entry, tuple) for entry in (*before.value, *later.value)):
        return Given((*before.value, *later.value), origin)
    return Given(tuple({**dict(before.value), **dict(later.value)}.items()), origin)


def explained(configuration: Configuration, given: Layer) -> list[str]:
    """One line a setting: what it is and where that comes from; then those that a target has for itself."""
    lines = _lines(_merged(configuration.common, given), names_of((*FIRST, *EVERYWHERE, *WHOLE_RUN)))
    for spec, table in configuration.targets.items():
        lines += ["", spec, *_lines(_merged(table), tuple(key.name for key in _keys() if key.field in table))]
    return lines


def _lines(merged: Mapping[str, Given], names: tuple[str, ...]) -> list[str]:
    fields = {key.name: key.field for key in _keys()}
    return [f"  {name:<15} {_value(merged.get(fields[name]), fields[name])}" for name in names]


def _keys() -> tuple[Any, ...]:
    return (*FIRST, *EVERYWHERE, *WHOLE_RUN, *ONE_TARGET)


def _value(given: Given | None, name: str) -> str:
    if given is None:
        return f"{_plain(getattr(Settings(), name))}  ({DEFAULT})"
    return f"{_plain(given.value)}  ({given.origin})"


def _plain(value: object) -> str:
    if hasattr(value, "label"):
        return str(value.label)
    if isinstance(value, tuple):
        return ", ".join(_entry(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _entry(item: Any) -> str:
    if isinstance(item, tuple):
        return f"{item[0]} = {_plain(item[1])}"
    return f"{item.rule}: {item.reason}" if hasattr(item, "reason") else str(item)
