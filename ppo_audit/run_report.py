"""A whole report from the entries of its targets; nothing here imports torch."""

from __future__ import annotations

import datetime
import importlib.metadata
from collections.abc import Sequence

from ppo_audit.findings import Report, TargetReport
from ppo_audit.settings import Settings, command_for
from ppo_audit.waivers.apply import waive


def report_of(entries: Sequence[TargetReport], settings: Settings, spec: str) -> Report:
    """The report of a run, dated today, with accepted findings marked."""
    version, today = importlib.metadata.version("ppo-audit"), datetime.date.today()
    return Report(
        tuple(waive(entries, settings, today)),
        version,
        today.isoformat(),
        settings.fail_on,
        command_for(spec, settings),
    )
