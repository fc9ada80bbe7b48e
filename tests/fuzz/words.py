"""Command lines: what the parser knows, near misses of it, and anything at all.

Options and commands are read off the parser, so that a new one is tried without being named here. No word holds a
slash but the places below: what is written stays in the folder of the case.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer.main
from hypothesis import strategies as st

from ppo_audit import cli

PLACES = ("folder/new.md", "new.json", "new.html", "known.json", "report.json", "folder", "loss.py")
NO_PLACES = ("nowhere/new.md", "/dev/full", "/dev/null", "", ".", "config.toml", "pyproject.toml", "rule.py")
TARGETS = ("loss.py:loss", "pkg.mod:loss", "loss.py", "./loss.py:loss", "stable_baselines3:PPO")
NO_TARGETS = (":", "loss.py:", ":f", "a:b:c", "no such thing")
NUMBERS = ("1", "2", "30")
NO_NUMBERS = ("0", "-1", "1e400", "nan", "inf", "1_0", "0x10", "9" * 40, "٣")
NO_RULES = ("PPO999", ",", "PPO", "X", "PPO101,", "=", "x=", "=1")
RIGHT = {
    "targets": TARGETS,
    "target": TARGETS,
    "before": TARGETS,
    "after": TARGETS,
    "select": ("PPO101", "PPO1", "ppo2", "ratio-overflow", "PPO101,PPO102"),
    "ignore": ("PPO101", "PPO", "clip-stops-gains"),
    "rule": ("PPO101", "ratio-overflow"),
    "roles": ("mask=m", "old_log_prob=lp"),
    "values": ("clip_range=0.1", "x=none", "x=1e999", "x=nan"),
    "several": ("sarif,junit", "json", "html", "github"),
    "config": ("config.toml",),
    "rules_at": ("rule.py",),
    "baseline": ("known.json",),
    "against": ("taken.json", "loss.py"),
    "expires": ("2027-01-31", "2020-01-31"),
    "finding_id": ("0123456789abcdef", "aaaa"),
    "name": ("a-rule",),
    "code": ("ACME001",),
}
"""Values that parameters by these names may have; others have them by their type."""
ODD_WORDS = ("--", "-", "--nope", "--selekt=PPO1", "--help", "--version", "-h", "tomorrow", "2027-02-30")
KNOWN = tuple(
    dict.fromkeys(
        [*sum(RIGHT.values(), ()), *PLACES, *NO_PLACES, *NO_TARGETS, *NUMBERS, *NO_NUMBERS, *NO_RULES, *ODD_WORDS]
    )
)
ANYTHING = st.text(st.characters(exclude_characters="\0/"), max_size=12)
"""Also what is no valid text: bytes of the shell that are no UTF-8 come as lone surrogates."""
WORDS = st.sampled_from(KNOWN) | ANYTHING


@functools.cache
def commands() -> dict[str, Any]:
    """The parsers of the commands, by name."""
    group: Any = typer.main.get_command(cli.app)
    return dict(group.commands)


def command_lines() -> st.SearchStrategy[list[str]]:
    """A whole command line: mostly a command with its own options, and now and then something else."""
    names = st.sampled_from(sorted(commands()))
    known = names.flatmap(calls)
    return st.one_of(known, known, known, st.lists(WORDS | names, max_size=6))


@st.composite
def calls(draw: st.DrawFn, name: str) -> list[str]:
    """A command with its arguments and some of its options: all as they should be, or some a little wrong."""
    command, words = commands()[name], [name]
    is_odd = draw(st.booleans())
    options = [each for each in command.params if each.param_type_name == "option"]
    for each in command.params:
        if each.param_type_name == "argument":
            words += draw(st.lists(_values(command, each, is_odd), min_size=1, max_size=1 + is_odd))
        elif each.required:
            words += draw(_given(command, each, is_odd))
    for option in draw(st.lists(st.sampled_from(options), max_size=4)) if options else ():
        words += draw(_given(command, option, is_odd))
    return words + (draw(st.lists(st.sampled_from(ODD_WORDS) | WORDS, max_size=1)) if is_odd else [])


@st.composite
def _given(draw: st.DrawFn, command: Any, option: Any, is_odd: bool) -> Sequence[str]:
    flag = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
    if option.is_flag:
        return [flag]
    value = draw(_values(command, option, is_odd))
    forms = ([flag, value], [f"{flag}={value}"], [flag], [flag[:-1], value])
    return draw(st.sampled_from(forms if is_odd else forms[:2]))


def _values(command: Any, parameter: Any, is_odd: bool) -> st.SearchStrategy[str]:
    right = st.sampled_from(_right_values(command, parameter.name))
    return right | WORDS if is_odd else right


@functools.cache
def _right_values(command: Any, name: str) -> Sequence[str]:
    wanted = get_type_hints(command.callback)[name]
    kinds = {kind for each in (wanted, *get_args(wanted)) for kind in (each, *get_args(each))}
    choices = [str(value) for kind in kinds if isinstance(kind, type) and issubclass(kind, enum.Enum) for value in kind]
    by_type = [*choices, *(PLACES if Path in kinds else ()), *(NUMBERS if kinds & {int, float} else ())]
    return RIGHT.get(name) or by_type or ("cpu", "pkg:make")
