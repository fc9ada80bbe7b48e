"""Writers: one function a format, from a `Report` to text. They know the finding model and nothing else."""

from __future__ import annotations

import importlib

from ppo_audit.findings import Report
from ppo_audit.reports._digest import verdict
from ppo_audit.reports._text import clean

__all__ = ["WRITERS", "clean", "render", "verdict"]

WRITERS = {
    "terminal": "terminal",
    "markdown": "markdown",
    "html": "html_report",
    "json": "json_report",
    "sarif": "sarif",
    "junit": "junit",
    "github": "github",
    "step-summary": "step_summary",
}
"""Format name -> module with `render(report) -> str`; a module loads on first use, since rich is slow to import."""


def render(report: Report, name: str) -> str:
    """The report as text in the named format."""
    text: str = importlib.import_module(f"{__name__}.{WRITERS[name]}").render(report)
    return text
