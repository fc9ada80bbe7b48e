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


Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="pkg.mod:attr, path/file.py:attr or script.py. Default: those of the configuration.", metavar="TARGET"
    ),
]
Format = Annotated[ReportFormat | None, typer.Option("--format", help="Default: by the suffix of --output.")]
Output = Annotated[Path | None, typer.Option(help="Write the report to this file.", metavar="FILE")]
Reports = Annotated[
    list[str] | None,
    typer.Option("--report", help="Also write these: sarif, junit, markdown, html, github, json.", metavar="FORMATS"),
]
ReportFolder = Annotated[Path, typer.Option("--report-dir", help="Folder of those reports.", metavar="FOLDER")]
LeastToFail = Annotated[FailOn | None, typer.Option(help="Least severity that gives exit code 1. [default: serious]")]
Select = Annotated[list[str] | None, typer.Option(help="Only these: codes, prefixes, names.", metavar="RULES")]
Ignore = Annotated[list[str] | None, typer.Option(help="Not these.", metavar="RULES")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="Such as old_log_prob=lp_prev", metavar="ROLE=NAME")]
Values = Annotated[list[str] | None, typer.Option("--set", help="Such as clip_range=0.1", metavar="NAME=VALUE")]
Rules = Annotated[list[str] | None, typer.Option("--rules", help="More rules: a file or folder.", metavar="PATH")]
Inputs = Annotated[str | None, typer.Option(help="Makes the arguments.", metavar="PKG.MOD:FUNCTION")]
Device = Annotated[str | None, typer.Option(help="Where to measure. [default: cpu]", metavar="DEVICE")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.", metavar="N")]
SeedIfGiven = Annotated[int | None, typer.Option(help="Seed of everything drawn. [default: 0]", metavar="N")]
Config = Annotated[
    Path | None,
    typer.Option(help="Default: ppo-audit.toml or [tool.ppo-audit] in pyproject.toml, here or above.", metavar="FILE"),
]
ShowSettings = Annotated[
    bool, typer.Option("--show-settings", help="Show every setting and where it comes from; audit nothing.")
]
Baseline = Annotated[Path | None, typer.Option(help="Known findings, which do not fail the run.", metavar="FILE")]
WriteBaseline = Annotated[
    Path | None, typer.Option(help="Store the findings as known, with --reason; no report.", metavar="FILE")
]
Reason = Annotated[str | None, typer.Option(help="Why the findings are accepted.", metavar="TEXT")]
Expires = Annotated[str | None, typer.Option(help="Until when they are.", metavar="YYYY-MM-DD")]
StrictWaivers = Annotated[
    bool, typer.Option("--strict-waivers", help="Fail where a waiver is unused, expired or incomplete.")
]
TimeLimit = Annotated[
    float | None, typer.Option(help="Seconds for a rule; ten times as much for a target. [default: 30]", min=0.1)
]
MemoryLimit = Annotated[float | None, typer.Option(help="GiB that a target may use. [default: 4]", min=0.01)]
InProcess = Annotated[bool, typer.Option("--in-process", help="Without worker processes, for debuggers.")]
Jobs = Annotated[int | None, typer.Option(help="Targets at a time; default: one a core.", metavar="N", min=1)]
ShowOutput = Annotated[bool, typer.Option("--show-output", help="Show the end of what the targets printed.")]
Against = Annotated[Path | None, typer.Option(help="Compare with this snapshot, judge nothing.", metavar="FILE")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error in ppo-audit.", expose_value=False)
]
