"""The settings of one audit: a frozen value, made at the edge and passed down."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.findings import Severity
from ppo_audit.rules import catalogue
from ppo_audit.waivers.waiver import Waiver

Value = float | bool | str | None
WORDS: dict[str, Value] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Settings:
    """What the user asked for. `select` and `ignore` hold codes of rules; an empty `select` means all of them.

    `fail_on` is None where nothing may fail the run. `roles` pairs a role with the name that plays it, `values` a
    parameter of the target with what to pass, `targets` a spec with settings of its own. `time_limit` is in seconds for
    a rule (ten times as much for a target), `memory_limit` in GiB above what a worker holds at its start; both hold in
    worker processes only. `curves` asks for pictures of what was measured, which HTML draws. `trials` is how many
    source edits are tried at most for one finding; none where it is 0. `reruns` is the same for scripts, which are run
    once more for each, so that they are not where nobody asked for a fix.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: Severity | None = Severity.SERIOUS
    roles: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, Value], ...] = ()
    inputs: str | None = None
    device: str = "cpu"
    seed: int = 0
    rule_paths: tuple[str, ...] = ()
    script_args: tuple[str, ...] = ()
    time_limit: float = 30.0
    memory_limit: float = 4.0
    trials: int = 36
    reruns: int = 0
    severities: tuple[tuple[str, Severity], ...] = ()
    thresholds: tuple[tuple[str, float], ...] = ()
    tolerances: tuple[tuple[str, float], ...] = ()
    declared: str | None = None
    waivers: tuple[Waiver, ...] = ()
    baseline: str | None = None
    strict_waivers: bool = False
    targets: tuple[tuple[str, Settings], ...] = ()
    curves: bool = False

    def of(self, spec: str) -> Settings:
        """The settings of one target: its own where it has any."""
        return dict(self.targets).get(normal_spec(spec), self)

    def selects(self, code: str) -> bool:
        """Whether the rule is to run: to ignore wins over to select."""
        return code not in self.ignore and (not self.select or code in self.select)


def normal_spec(spec: str) -> str:
    """A spec in the one way of writing it by which it is found again: `./a.py:f` is `a.py:f`."""
    place, sign, attribute = spec.partition(":")
    return f"{os.path.normpath(place)}{sign}{attribute}" if place.endswith(".py") else spec


def rule_codes(patterns: Sequence[str], option: str = "--select", paths: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The codes that codes, prefixes of codes and names stand for, in the order of the catalogue; commas separate."""
    wanted = [part.strip() for pattern in patterns for part in pattern.split(",") if part.strip()]
    if patterns and not wanted:
        raise UsageError(f"{option}: no rule is named; expected a code (PPO101), the beginning of one, or a name.")
    found = {code for pattern in wanted for code in _matches(pattern, option, paths)}
    return tuple(code for code in catalogue(paths) if code in found)


def no_such_rule(name: str) -> str:
    """What to tell somebody who names a rule that does not exist."""
    names = [*catalogue(), *(page.rule.name for page in catalogue().values())]
    return (
        f"`{name}` is no rule; expected a code (PPO101), the beginning of one (PPO1) or a name "
        f"(ratio-overflow).{did_you_mean(name, names)} `ppo-audit rules` lists them all."
    )


def role_pairs(items: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """`old_log_prob=lp_prev` as a pair of role and name."""
    return tuple(_pair(item, "--role", "old_log_prob=lp_prev") for item in items)


def value_pairs(items: Sequence[str]) -> tuple[tuple[str, Value], ...]:
    """`clip_range=0.1` as a pair of parameter and value."""
    return tuple((name, parse_value(text)) for name, text in (_pair(item, "--set", "clip_range=0.1") for item in items))


def parse_value(text: str) -> Value:
    """A number, true, false or none where the text reads as one; else the text itself."""
    if text.casefold() in WORDS:
        return WORDS[text.casefold()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def command_for(spec: str, settings: Settings) -> str:
    """The command that measures `spec` again in the same way, whichever rules are selected."""
    options = [f"--role={role}={name}" for role, name in settings.roles]
    options += [f"--set={name}={value}" for name, value in settings.values]
    options += [f"--inputs={settings.inputs}"] * (settings.inputs is not None)
    options += [f"--device={settings.device}"] * (settings.device != Settings.device)
    options += [f"--rules={path}" for path in settings.rule_paths]
    options += [f"--seed={settings.seed}"] * (settings.seed != Settings.seed)
    script = ["--", *settings.script_args] if settings.script_args else []
    return shlex.join(["ppo-audit", "check", spec, *options, *script])


def _matches(pattern: str, option: str, paths: tuple[str, ...]) -> list[str]:
    pages = catalogue(paths)
    codes = [
        code for code, page in pages.items() if code.startswith(pattern.upper()) or page.rule.name == pattern.lower()
    ]
    if codes:
        return codes
    raise UsageError(f"{option}: {no_such_rule(pattern)}")


def _pair(item: str, option: str, example: str) -> tuple[str, str]:
    name, sign, value = (part.strip() for part in item.partition("="))
    if name and sign and value:
        return name, value
    raise UsageError(f"{option}: `{item}` is no pair; expected name=value, such as `{option} {example}`.")
