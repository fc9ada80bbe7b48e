"""The configuration at the edge: the file that holds here, and the options of a command as the layer above it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ppo_audit.commands.options import FailOn
from ppo_audit.configuration.document import OWN_FILE, find, named
from ppo_audit.configuration.keys import Given, Layer
from ppo_audit.configuration.layers import Configuration, read_configuration
from ppo_audit.errors import Complaints, UsageError
from ppo_audit.findings import Severity


def configured(chosen: Path | None, complaints: Complaints) -> Configuration:
    """The configuration in the file that the user names, or in the nearest one."""
    document = named(chosen) if chosen else find(Path.cwd())
    if document is not None and document.folder != Path.cwd() and str(document.folder) not in sys.path:
        sys.path.append(str(document.folder))  # targets in the file are seen from its folder, as paths in it are
    return read_configuration(document, complaints)


def command_line(**options: Any) -> Layer:
    """The options that were given, by field of `Settings`; None stands for one that was not."""
    return {name: Given(value, "command line") for name, value in options.items() if value is not None}


def least_to_fail(chosen: FailOn | None) -> Layer:
    """The level of `--fail-on`, whose `never` is None in the settings."""
    level = None if chosen in (None, FailOn.NEVER) else Severity[chosen.name]
    return {} if chosen is None else {"fail_on": Given(level, "command line")}


def in_file(configuration: Configuration, name: str, otherwise: Any) -> Any:
    """One value of the file."""
    return configuration.common[name].value if name in configuration.common else otherwise


def targets_of(configuration: Configuration, given: Sequence[str] | None) -> list[str]:
    """The targets of the command, or all of the configuration."""
    if not given and not configuration.targets:
        raise UsageError(
            "no TARGET: expected one such as `pkg.mod:loss` or `losses.py:loss`, or `targets` in the configuration "
            f"(`ppo-audit init` writes {OWN_FILE})."
        )
    return list(given or configuration.targets)
