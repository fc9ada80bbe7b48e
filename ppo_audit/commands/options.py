"""Options and arguments that more than one command takes."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from ppo_audit.commands.writing import ReportFormat


class FailOn(enum.StrEnum):
    """The least severity that fails the run."""

    CRITICAL = "critical"
    SERIOUS = "serious"
    POTENTIAL = "potential"
    NEVER = "never"


Targets = Annotated[list[str], typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")]
Format = Annotated[ReportFormat | None, typer.Option("--format", help="Default: by the suffix of --output.")]
Output = Annotated[Path | None, typer.Option(help="Write the report to this file.", metavar="FILE")]
LeastToFail = Annotated[FailOn, typer.Option(help="Least severity that gives exit code 1.")]
Select = Annotated[list[str] | None, typer.Option(help="Only these: codes, prefixes, names.", metavar="RULES")]
Ignore = Annotated[list[str] | None, typer.Option(help="Not these.", metavar="RULES")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="Such as old_log_prob=lp_prev", metavar="ROLE=NAME")]
Values = Annotated[list[str] | None, typer.Option("--set", help="Such as clip_range=0.1", metavar="NAME=VALUE")]
Rules = Annotated[list[str] | None, typer.Option("--rules", help="More rules: a file or folder.", metavar="PATH")]
Inputs = Annotated[str | None, typer.Option(help="Makes the arguments.", metavar="PKG.MOD:FUNCTION")]
Device = Annotated[str, typer.Option(help="Where to measure.", metavar="DEVICE")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.", metavar="N")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error in ppo-audit.", expose_value=False)
]
