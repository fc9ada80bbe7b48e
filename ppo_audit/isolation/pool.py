"""Many targets over a few workers at a time; the report has them in the order in which they were named."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from multiprocessing.context import BaseContext
from pathlib import Path

from ppo_audit.errors import UsageError
from ppo_audit.findings import Report, TargetReport
from ppo_audit.isolation.attempts import audit_in_workers
from ppo_audit.run_report import report_of
from ppo_audit.settings import Settings

INCOMPLETE, OWN_BUG = 3, 4


def audit_isolated(specs: Sequence[str], settings: Settings, jobs: int) -> Report:
    """Audit every spec in worker processes, `jobs` at a time."""
    stop = threading.Event()
    with own_folder() as folder, ThreadPoolExecutor(jobs) as threads:
        context = of_workers()
        running = []
        for number, spec in enumerate(specs):
            place = folder / str(number)
            place.mkdir()
            running.append(threads.submit(audit_in_workers, spec, settings, place, context, stop))
        _wait(running, stop)
        entries = [_entry(spec, future) for spec, future in zip(specs, running, strict=True)]
    return report_of(entries, settings, specs[0] if specs else "")


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _wait(running: Sequence[Future[TargetReport]], stop: threading.Event) -> None:
    """An interruption ends the workers; what they have told is kept."""
    try:
        wait(running)
    except KeyboardInterrupt:
        for future in running:
            future.cancel()
        stop.set()
        wait(running)


def _entry(spec: str, future: Future[TargetReport]) -> TargetReport:
    if future.cancelled():
        return TargetReport(spec, "unknown", error="interrupted before it was audited.", exit_code=INCOMPLETE)
    error = future.exception()
    if isinstance(error, UsageError):
        return TargetReport(spec, "unknown", error=str(error), exit_code=error.exit_code)
    if error is not None:  # the other targets keep their entries
        said = f"sorry, this is a bug in ppo-audit, not in your code: {type(error).__name__}: {error}"
        return TargetReport(spec, "unknown", error=said, exit_code=OWN_BUG)
    return future.result()


def of_workers() -> BaseContext:
    """Workers are forked from a server that has imported torch and never computed; elsewhere than on Linux spawned."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ppo_audit.isolation.warm"])
    return context


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ppo-audit-", ignore_cleanup_errors=True) as name:
        yield Path(name)
