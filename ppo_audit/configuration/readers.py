"""From what a TOML file holds to the values of `Settings`; what is wrong says what was expected and what came."""

from __future__ import annotations

import datetime
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ppo_audit.declared import VARIANTS
from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.findings import Severity
from ppo_audit.settings import Value, rule_codes
from ppo_audit.targets.names import SCALAR_NAMES, TENSOR_NAMES
from ppo_audit.thresholds import LIMITS, TOLERANCES
from ppo_audit.waivers.waiver import Waiver

Read = TypeVar("Read")
ROLES = (*TENSOR_NAMES, *SCALAR_NAMES, "ratio")
WORDS = {str: "a string", bool: "true or false", int: "an integer", float: "a number", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Where:
    """Where a value stands: its name in a message, the folder of its file, and the rules that it may speak of."""

    name: str
    folder: Path
    rule_paths: tuple[str, ...] = ()

    def below(self, key: str) -> Where:
        return Where(f"{self.name} `{key}`", self.folder, self.rule_paths)

    def refuse(self, expected: str, got: object) -> UsageError:
        return UsageError(f"{self.name}: expected {expected}, got {shown(got)}.")


Reader = Callable[[Any, Where], Any]


def shown(value: object) -> str:
    """A value in a message: its type, and itself where that is short."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    kind = next((word for cls, word in WORDS.items() if type(value) is cls), type(value).__name__)
    return text if isinstance(value, bool) or len(text) > 60 else f"{kind} ({text})"


def text(value: Any, where: Where) -> str:
    """A string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise where.refuse("a string", value)
    return value


def flag(value: Any, where: Where) -> bool:
    if not isinstance(value, bool):
        raise where.refuse("true or false", value)
    return value


def whole(value: Any, where: Where) -> int:
    """An integer from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise where.refuse("an integer from 0 on", value)
    return value


def positive(value: Any, where: Where) -> float:
    """A finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise where.refuse("a number above 0", value)
    return float(value)


def texts(value: Any, where: Where) -> tuple[str, ...]:
    """A list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise where.refuse("a list of strings", value)
    return tuple(value)


def codes(value: Any, where: Where) -> tuple[str, ...]:
    """Rules by code, beginning of a code, or name."""
    patterns = texts(value, where)
    return rule_codes(patterns, where.name, where.rule_paths) if patterns else ()


def word(choices: Mapping[str, Read]) -> Callable[[Any, Where], Read]:
    """One of these words."""

    def read(value: Any, where: Where) -> Read:
        if not isinstance(value, str) or value not in choices:
            guess = did_you_mean(value, choices) if isinstance(value, str) else ""
            raise UsageError(f"{where.name}: expected one of {', '.join(choices)}, got {shown(value)}.{guess}")
        return choices[value]

    return read


def pairs(of: Callable[[Any, Where], Read], names: Mapping[str, Any] | tuple[str, ...] = ()) -> Reader:
    """A table as pairs of name and value; the names must be among those given, if any are."""

    def read(value: Any, where: Where) -> tuple[tuple[str, Read], ...]:
        known_keys(table(value, where), names or value, where)
        return tuple((key, of(item, where.below(key))) for key, item in value.items())

    return read


def table(value: Any, where: Where) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise where.refuse("a table", value)
    return value


def known_keys(given: Mapping[str, Any], names: Mapping[str, Any] | tuple[str, ...], where: Where) -> None:
    """Refuse every key that is not among the names, each with the closest one."""
    wrong = [f"{where.name}: `{key}` is no key here.{did_you_mean(key, names)}" for key in given if key not in names]
    if wrong:
        raise UsageError("\n".join([*wrong, f"  expected: {', '.join(names)}"]))


def severities(value: Any, where: Where) -> tuple[tuple[str, Severity], ...]:
    """Rules, by code, beginning of a code or name, with the severity that their findings shall have."""
    level = word({each.label: each for each in Severity})
    found = [(pattern, level(item, where.below(pattern))) for pattern, item in table(value, where).items()]
    return tuple(
        (code, severity) for pattern, severity in found for code in rule_codes([pattern], where.name, where.rule_paths)
    )


def scalar(value: Any, where: Where) -> Value:
    """What a parameter is to be; TOML has no word for None, so the string "none" stands for it."""
    if not isinstance(value, str | bool | int | float):
        raise where.refuse("a string, a number, or true or false", value)
    return None if value == "none" else value


def spec(value: Any, where: Where) -> str:
    """A target or a function, seen from the working directory though it is written as seen from the file."""
    place, sign, attribute = text(value, where).partition(":")
    return f"{_seen_from_here(place, where.folder)}{sign}{attribute}" if place.endswith(".py") else value


def specs(value: Any, where: Where) -> tuple[str, ...]:
    """A list of targets."""
    return tuple(spec(item, where) for item in texts(value, where))


def path(value: Any, where: Where) -> str:
    return _seen_from_here(text(value, where), where.folder)


def paths(value: Any, where: Where) -> tuple[str, ...]:
    return tuple(path(item, where) for item in texts(value, where))


def waivers(value: Any, where: Where) -> tuple[Waiver, ...]:
    """A list of tables with `rule`, `reason` and perhaps `expires`."""
    if not isinstance(value, list):
        raise where.refuse('a list of tables, such as [{ rule = "PPO302", reason = "..." }]', value)
    return tuple(waiver for number, item in enumerate(value, 1) for waiver in _waivers(item, where, number))


def _waivers(item: Any, where: Where, number: int) -> list[Waiver]:
    here = Where(f"{where.name} number {number}", where.folder, where.rule_paths)
    known_keys(table(item, here), ("rule", "reason", "expires"), here)
    missing = [key for key in ("rule", "reason") if key not in item]
    if missing:
        raise UsageError(f"{here.name}: `{missing[0]}` is missing; a waiver needs a rule and a reason.")
    reason = text(item["reason"], here.below("reason"))
    rule = text(item["rule"], here.below("rule"))
    until = day(item["expires"], here.below("expires")) if "expires" in item else None
    return [
        Waiver(code, reason, here.name, expires=until)
        for code in rule_codes([rule], here.below("rule").name, here.rule_paths)
    ]


def day(value: Any, where: Where) -> datetime.date:
    """A date, as TOML writes one or as text."""
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        return datetime.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise where.refuse("a date such as 2027-01-31", value) from None


def _seen_from_here(place: str, folder: Path) -> str:
    return os.path.relpath(folder / place)


variant: Reader = word({name: name for name in VARIANTS})
fail_on: Reader = word({**{level.label: level for level in Severity}, "never": None})
roles: Reader = pairs(text, ROLES)
values: Reader = pairs(scalar)
thresholds: Reader = pairs(positive, LIMITS)
tolerances: Reader = pairs(positive, TOLERANCES)
