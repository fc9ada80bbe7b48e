"""What runs in a worker process: one audit of one target, told to the journal as it goes."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import os
import signal
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ppo_audit.errors import UsageError
from ppo_audit.findings import Outcome, Status
from ppo_audit.isolation.records import Broke, Brought, Entered, Finished, Job, Kept, Refused, Tampered, append
from ppo_audit.journal import Opened, Verdict
from ppo_audit.rules import catalogue

if TYPE_CHECKING:
    from ppo_audit.isolation.tampering import Ground

ADOPT_ORPHANS = 36
"""`PR_SET_CHILD_SUBREAPER` of Linux."""
FIRST_TO_DIE = "1000"


@dataclass(frozen=True)
class FileJournal:
    """The journal that the parent reads."""

    job: Job
    ground: Ground
    tampered: set[str] = field(default_factory=set)

    def mend(self) -> None:
        """Put back what the target changed of what we stand on, and tell of it."""
        found = tuple(name for name in self.ground.mend() if name not in self.tampered)
        if found:
            self.tampered.update(found)
            append(self.job.journal, Tampered(found))

    def enter(self, stage: str) -> None:
        self.mend()
        append(self.job.journal, Entered(stage))

    def gave_up(self, stage: str) -> bool:
        return stage in self.job.lost

    def opened(self, facts: Opened) -> None:
        self.mend()
        append(self.job.journal, facts)

    def recall(self, stage: str) -> Verdict | None:
        known = self.job.known.get(stage)
        if known is not None or self.job.skip is None:
            return known
        code = stage.rpartition("/")[2]
        name = catalogue(self.job.settings.of(self.job.spec).rule_paths)[code].rule.name
        return Verdict(Outcome(code, name, Status.SKIPPED, self.job.skip))

    def keep(self, stage: str, verdict: Verdict) -> None:
        self.mend()
        append(self.job.journal, Kept(stage, verdict))


def work(job: Job) -> None:
    """Audit, and end: threads, exit handlers and children of the target are not waited for."""
    _settle(job.output)
    from ppo_audit.api import audit_entry
    from ppo_audit.isolation.state import use_one_core
    from ppo_audit.isolation.tampering import ground
    from ppo_audit.targets.resolve import describe

    use_one_core()
    journal, end, pid = FileJournal(job, ground()), os.killpg, os.getpid()
    try:
        last = _brought(job) if job.errand else Finished(audit_entry(job.spec, job.settings, journal))
        journal.mend()
        append(job.journal, last)
    except BaseException as error:
        journal.mend()
        traceback.print_exc()
        leaves = journal.tampered or not isinstance(error, Exception)
        append(job.journal, Broke(describe(error), of_the_target=bool(leaves)))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    end(pid, signal.SIGKILL)


def _brought(job: Job) -> Brought | Refused:
    """What comes of the errand; what the user asked for and cannot be had is no fault of ours."""
    assert job.errand is not None
    try:
        return Brought(job.errand(job.spec, job.settings))
    except UsageError as error:
        return Refused(str(error))


def _settle(output: Path) -> None:
    """A session of its own, nothing to read, and all that is printed in one file."""
    os.setsid()
    silence = os.open(os.devnull, os.O_RDONLY)
    captured = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for source, place in ((silence, 0), (captured, 1), (captured, 2)):
        os.dup2(source, place)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout, sys.stderr = _writer(1), _writer(2)
    faulthandler.enable(captured)
    faulthandler.register(signal.SIGUSR1, captured)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _yield_to_the_parent()


def _writer(place: int) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(place, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _yield_to_the_parent() -> None:
    """On Linux: orphans of the target become ours, and where memory runs out we are killed, not the parent."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_DIE)
