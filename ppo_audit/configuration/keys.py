"""The keys of a configuration: each with the setting that it fills, how it is read, and where it may stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppo_audit.configuration import readers
from ppo_audit.configuration.readers import Reader, Where
from ppo_audit.errors import Complaints


@dataclass(frozen=True)
class Key:
    """One key. `field` is a field of `Settings`."""

    name: str
    field: str
    read: Reader


FIRST = (Key("rules", "rule_paths", readers.paths),)
"""What others need to be read: rules of one's own have codes of their own."""

EVERYWHERE = (
    Key("select", "select", readers.codes),
    Key("ignore", "ignore", readers.codes),
    Key("severities", "severities", readers.severities),
    Key("thresholds", "thresholds", readers.thresholds),
    Key("tolerances", "tolerances", readers.tolerances),
    Key("roles", "roles", readers.roles),
    Key("set", "values", readers.values),
    Key("device", "device", readers.text),
    Key("seed", "seed", readers.whole),
    Key("script-args", "script_args", readers.texts),
    Key("time-limit", "time_limit", readers.positive),
    Key("memory-limit", "memory_limit", readers.positive),
    Key("waivers", "waivers", readers.waivers),
)
"""For all targets, or in a target's table for that one alone."""

WHOLE_RUN = (
    Key("fail-on", "fail_on", readers.fail_on),
    Key("baseline", "baseline", readers.path),
    Key("strict-waivers", "strict_waivers", readers.flag),
)

ONE_TARGET = (
    Key("inputs", "inputs", readers.spec),
    Key("declared", "declared", readers.variant),
)

TARGETS = "targets"


@dataclass(frozen=True)
class Given:
    """A value and where it was given."""

    value: Any
    origin: str


Layer = dict[str, Given]
"""Values by field of `Settings`."""


def read_keys(table: Mapping[str, Any], keys: tuple[Key, ...], where: Where, complaints: Complaints) -> Layer:
    """Every key that the table has, as a layer; what is wrong goes to the complaints."""
    known = {key.name: key for key in keys}
    layer: dict[str, Given] = {}
    for name, value in table.items():
        key = known.get(name)
        if key is not None:
            missing = object()
            here = where.below(name)
            read = complaints.hear(lambda key=key, value=value, here=here: key.read(value, here), missing)  # type: ignore[misc]
            layer |= {} if read is missing else {key.field: Given(read, here.name)}
    return layer


def check_names(table: Mapping[str, Any], names: tuple[str, ...], where: Where, complaints: Complaints) -> None:
    """Complain of every key that is none."""

    def refuse() -> None:
        readers.known_keys(table, names, where)

    complaints.hear(refuse, None)


def names_of(keys: tuple[Key, ...]) -> tuple[str, ...]:
    return tuple(key.name for key in keys)


def specs_of(value: Any, where: Where) -> Mapping[str, Mapping[str, Any]]:
    """The targets with the table of each, empty where the file only lists them."""
    if isinstance(value, list):
        return {target: {} for target in readers.specs(value, where)}
    if isinstance(value, dict):
        return {
            readers.spec(target, where): readers.table(table, where.below(target)) for target, table in value.items()
        }
    raise where.refuse('a list of targets, or a table such as [targets."pkg.mod:loss"] for each', value)
