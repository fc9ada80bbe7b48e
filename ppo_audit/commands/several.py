"""`--report` and `--report-dir`: several reports of one run, each written whatever becomes of the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ppo_audit import reports
from ppo_audit.commands.writing import ReportFormat
from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.findings import Report

FILES = {
    ReportFormat.SARIF: "report.sarif",
    ReportFormat.JUNIT: "report.xml",
    ReportFormat.MARKDOWN: "report.md",
    ReportFormat.HTML: "report.html",
    ReportFormat.JSON: "report.json",
}
"""`github` is no file: its commands go to the output of the step, its summary where GitHub wants it."""
CHOICES = [*FILES, ReportFormat.GITHUB]
SUMMARY = "GITHUB_STEP_SUMMARY"
WRITTEN, WRONG_PATH, OWN_BUG = 0, 2, 4


def report_formats(texts: Sequence[str]) -> tuple[ReportFormat, ...]:
    """`sarif,junit` as formats, each once; commas separate."""
    names = [name.strip().casefold() for text in texts for name in text.split(",") if name.strip()]
    if texts and not names:
        raise UsageError(f"--report: no format is named; expected some of {', '.join(CHOICES)}.")
    unknown = [name for name in names if name not in CHOICES]
    if unknown:
        hint = did_you_mean(unknown[0], CHOICES)
        raise UsageError(f"--report: `{unknown[0]}` is no format; expected some of {', '.join(CHOICES)}.{hint}")
    return tuple(ReportFormat(name) for name in dict.fromkeys(names))


def expect_report_folder(formats: Sequence[ReportFormat], folder: Path) -> None:
    """Make the folder now: better to hear before the audit than after it that it cannot be."""
    if not set(formats) & set(FILES):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"--report-dir: cannot make `{folder}` ({_reason(error)}); choose another folder.") from error


def write_reports(report: Report, formats: Sequence[ReportFormat], folder: Path) -> int:
    """Write each report, say what was written and what was not, and give 0, or 2 or 4 for what went wrong."""
    codes = [_attempt(name, _writer(report, name, folder)) for name in formats]
    return max(codes, default=WRITTEN)


def _writer(report: Report, name: ReportFormat, folder: Path) -> Callable[[], str]:
    return lambda: _publish(report) if name is ReportFormat.GITHUB else _save(report, name, folder)


def _attempt(name: ReportFormat, write: Callable[[], str]) -> int:
    try:
        print(f"Wrote {write()}", file=sys.stderr)
    except OSError as error:
        where = f" `{error.filename}`" if error.filename else ""
        print(f"ppo-audit: --report {name}: cannot write{where} ({_reason(error)}).", file=sys.stderr)
        return WRONG_PATH
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        print(f"ppo-audit: --report {name}: sorry, this is a bug in ppo-audit: {said}", file=sys.stderr)
        return OWN_BUG
    return WRITTEN


def _save(report: Report, name: ReportFormat, folder: Path) -> str:
    path, text = folder / FILES[name], reports.render(report, name)
    folder.mkdir(parents=True, exist_ok=True)  # the target may have removed it
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return str(path)


def _publish(report: Report) -> str:
    """The commands on a line of their own, and the summary behind what earlier commands of the step wrote there."""
    print(reports.render(report, ReportFormat.GITHUB), end="", flush=True)
    summary = os.environ.get(SUMMARY)
    if not summary:
        return "annotations"
    with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(reports.render(report, "step-summary"))
    return "annotations and step summary"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
