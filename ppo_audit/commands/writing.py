"""Reports and files written where the user asked for them, and nowhere else."""

from __future__ import annotations

import enum
import os
import secrets
import shutil
import sys
from pathlib import Path

from ppo_audit import reports
from ppo_audit.errors import UsageError
from ppo_audit.findings import Report

WIDEST = 120
UNKNOWN_WIDTH = 100


class ReportFormat(enum.StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"


FORMAT_OF_SUFFIX = {
    ".md": ReportFormat.MARKDOWN,
    ".html": ReportFormat.HTML,
    ".htm": ReportFormat.HTML,
    ".json": ReportFormat.JSON,
    ".sarif": ReportFormat.SARIF,
    ".xml": ReportFormat.JUNIT,
}


def deliver(report: Report, chosen: ReportFormat | None, output: Path | None, place: Path | None = None) -> None:
    """Print the report, or write it to a file, which is at `place` now, and print the verdict."""
    name = format_of(chosen, output)
    if output:
        write(place or output, reports.render(report, name))
        print(f"Wrote {output}. {reports.verdict(report)}")
        print(_not_judged(report), end="", file=sys.stderr)
    elif name is ReportFormat.TERMINAL:
        print(_not_obeyed(for_screen(report)), end="")
    else:
        print(reports.render(report, name), end="")


def format_of(chosen: ReportFormat | None, output: Path | None) -> ReportFormat:
    """The format asked for, else that of the file's name."""
    return chosen or FORMAT_OF_SUFFIX.get(output.suffix.lower() if output else "", ReportFormat.TERMINAL)


def _not_obeyed(text: str) -> str:
    """The text for a log in which GitHub obeys lines that begin with `::`, which names of the target may do."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return text
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n{text}::{token}::\n"


def _not_judged(report: Report) -> str:
    """Why each target without a verdict has none: nobody should have to open a file for that."""
    return "".join(f"{entry.target}: {reports.clean(entry.error)}\n" for entry in report.targets if entry.error)


def printed_by(report: Report) -> str:
    """The end of what each target printed, without what would command a terminal."""
    texts = [
        f"--- printed by {entry.target}\n{reports.clean(entry.output)}\n" for entry in report.targets if entry.output
    ]
    return "".join(texts)


def for_screen(report: Report) -> str:
    """The report for the terminal that we are in: its width, its colours."""
    from ppo_audit.reports import terminal

    interactive = sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, WIDEST) if interactive else UNKNOWN_WIDTH
    return terminal.render(report, width, "colour" if interactive and not os.environ.get("NO_COLOR") else "plain")


def expect_folder(output: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is measured."""
    if output and not output.parent.is_dir():
        raise UsageError(f"--output: `{output}` lies in a folder that does not exist; make `{output.parent}` first.")
    if output and output.is_dir():
        raise UsageError(f"--output: `{output}` is a folder; expected a file, such as `{output / 'report.md'}`.")


def write(output: Path, text: str) -> None:
    """Write the text; a file that cannot be written is the user's to hear of."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)  # a target may have deleted it
        output.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output: cannot write `{output}` ({error.strerror}); choose another file.") from error
