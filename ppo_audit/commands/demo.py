"""`ppo-audit demo`: the bundled example, audited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ppo_audit import reports
from ppo_audit.commands.check import audit_isolated
from ppo_audit.commands.options import Debug
from ppo_audit.commands.writing import ReportFormat, expect_folder, for_screen, write
from ppo_audit.settings import Settings

DEMO_TARGET = "ppo_audit.demo.distributional_ppo:loss"
DEMO_FOUND_SOMETHING = (0, 1)

DemoOutput = Annotated[Path, typer.Option(help="Where to write the markdown report.", metavar="FILE")]


def demo(
    output: DemoOutput = Path("ppo-audit-demo.md"),
    debug: Debug = False,
) -> None:
    """Audit the bundled example: report here, and in markdown beside you."""
    expect_folder(output)
    report = audit_isolated([DEMO_TARGET], Settings(), jobs=1)
    write(output, reports.render(report, ReportFormat.MARKDOWN))
    print(f"The same report in markdown: {output}\n")
    print(for_screen(report), end="")
    raise typer.Exit(0 if report.exit_code in DEMO_FOUND_SOMETHING else report.exit_code)
