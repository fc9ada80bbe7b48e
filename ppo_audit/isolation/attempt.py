"""One worker under limits: it is watched until it has finished, ended, or gone too far, and then its tree is killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from ppo_audit.findings import TargetReport
from ppo_audit.isolation.processes import Tree
from ppo_audit.isolation.records import Broke, Brought, Entered, Finished, Job, Kept, Refused, Tampered, read
from ppo_audit.isolation.worker import work
from ppo_audit.journal import OPENING, Opened, Verdict

TICK = 0.05
TO_SAY_WHERE = 0.3
"""Seconds that a worker gets to print where it hangs."""
MOST_QUEUED = 8
"""How many limits may pass on a machine that is busy with others."""
MOST_PROCESSES = 200
MOST_OUTPUT = 1 << 20
TAIL = 1 << 16
GIB = 1 << 30
SHOWN_NAMES = 5
FRAME = re.compile(r'File "([^"\n]+)", line (\d+) in ')
NOT_THE_TARGETS = re.compile(
    r"^<|[/\\](ppo_audit|checks|reference|torch|hypothesis)[/\\]|[/\\]lib[/\\]python3[^/\\]*[/\\](?!site-packages)"
)
DEMO = re.compile(r"[/\\]ppo_audit[/\\]demo[/\\]")


@dataclass(frozen=True)
class Limits:
    """Seconds for a stage and for all that is left of the target, GiB above what a worker has at its start."""

    stage: float
    opening: float
    target: float
    memory: float


@dataclass
class Attempt:
    """What one worker told, and how it ended: `why` is empty where it finished, `queued` are seconds without a core."""

    stage: str = OPENING
    opened: Opened | None = None
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    entry: TargetReport | None = None
    errand: Brought | Refused | None = None
    broke: Broke | None = None
    tampered: tuple[str, ...] = ()
    why: str = ""
    ended_itself: bool = False
    output: str = ""
    queued: float = 0.0

    def hear(self, record: object) -> None:
        match record:
            case Entered(stage):
                self.stage = stage
            case Opened():
                self.opened = record
            case Kept(stage, verdict):
                self.verdicts[stage] = verdict
            case Tampered(names):
                self.tampered += names
            case Broke():
                self.broke = record
            case Finished(entry):
                self.entry = entry
            case Brought() | Refused():
                self.errand = record

    @property
    def has_ended(self) -> bool:
        return self.entry is not None or self.errand is not None


def attempt(job: Job, limits: Limits, context: BaseContext, stop: threading.Event) -> Attempt:
    """Run the job in a fresh worker."""
    process: Any = context.Process(target=work, args=(job,), daemon=False)  # type: ignore[attr-defined]
    process.start()
    watch = _Watch(job, limits, Tree.of(process.pid), stop)
    try:
        broken_limit = watch.until_it_ends(process)
        if broken_limit and broken_limit.startswith("it took"):
            _ask_where(process.pid)
    finally:
        watch.tree.kill()
        process.join()
    watch.listen()
    seen = watch.seen
    seen.output = (watch.printed + _tail(job.output))[-TAIL:]
    if not seen.has_ended:
        seen.why, seen.ended_itself = _reason(seen, broken_limit, process.exitcode)
    return seen


@dataclass
class _Watch:
    job: Job
    limits: Limits
    tree: Tree
    stop: threading.Event
    seen: Attempt = field(default_factory=Attempt)
    offset: int = 0
    printed: str = ""
    started: float = field(default_factory=time.monotonic)
    entered: float = field(default_factory=time.monotonic)
    queued: float = 0.0

    def until_it_ends(self, process: Any) -> str | None:
        """The limit that was broken; None where the worker ended by itself."""
        while not wait([process.sentinel], timeout=TICK):
            self.listen()
            broken = self._broken_limit()
            self.seen.queued = self.tree.queued() or self.seen.queued
            if broken and not self.seen.has_ended:
                return broken
            self.printed = _bounded(self.job.output) or self.printed
        return None

    def listen(self) -> None:
        records, self.offset = read(self.job.journal, self.offset)
        for record in records:
            self.seen.hear(record)
        if any(isinstance(record, Entered) for record in records):
            self.entered, self.queued = time.monotonic(), self.tree.queued()

    def _broken_limit(self) -> str | None:
        if self.stop.is_set():
            return "the audit was interrupted"
        now, limits = time.monotonic(), self.limits
        allowed = limits.opening if self.seen.stage == OPENING else limits.stage
        if self._is_late(now, allowed):
            return f"it took more than {allowed:.3g} s"
        if now - self.started - self.tree.queued() > limits.target:
            return f"it took more than the {limits.target:.0f} s that were left for the whole target"
        return self._too_much()

    def _is_late(self, now: float, allowed: float) -> bool:
        """Time in the queue for a processor does not count, since a busy machine is no fault of the target."""
        passed = now - self.entered
        return passed > allowed and (
            passed - self.tree.queued() + self.queued > allowed or passed > MOST_QUEUED * allowed
        )

    def _too_much(self) -> str | None:
        held, processes = self.tree.look()
        if held > self.limits.memory * GIB:
            return f"it used more than {self.limits.memory:g} GiB of memory"
        return f"it started more than {MOST_PROCESSES} processes" if processes > MOST_PROCESSES else None


def _reason(seen: Attempt, broken_limit: str | None, code: int | None) -> tuple[str, bool]:
    """How the worker was lost, in words, and whether the target ended it of its own will."""
    if broken_limit:
        return broken_limit + _where(seen.output), False
    if seen.broke is not None:
        changed = f", after it had replaced {_listed(seen.tampered)}" if seen.tampered else ""
        return f"the target raised {seen.broke.reason}{changed}", True
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"the worker was killed by signal {-code} ({signal.Signals(-code).name}){_where(seen.output)}", False
    return f"the target ended the process with exit code {code}", True


def _listed(names: tuple[str, ...]) -> str:
    """The first few names in backticks."""
    return ", ".join(f"`{name}`" for name in names[:SHOWN_NAMES]) + (" and more" if len(names) > SHOWN_NAMES else "")


def replaced(names: tuple[str, ...]) -> str:
    """What to tell of a target that changed what everybody stands on."""
    return f"the target replaced {_listed(names)} of the process: what was measured afterwards may rest on that."


def _where(output: str) -> str:
    """The innermost line of the target in the last stack that the worker printed, for the end of a sentence."""
    _, _, stack = output.rpartition("(most recent call first)")
    for file, line in FRAME.findall(stack):
        if DEMO.search(file) or not NOT_THE_TARGETS.search(file):
            return f", at {Path(file).name}:{line}"
    return ""


def _ask_where(pid: int) -> None:
    """The worker prints the stacks of its threads, also where it hangs in C."""
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(TO_SAY_WHERE)


def _bounded(output: Path) -> str:
    """Empty the file where it has grown too big, and give its end."""
    with contextlib.suppress(OSError):
        if output.stat().st_size > MOST_OUTPUT:
            end = _tail(output)
            os.truncate(output, 0)
            return end
    return ""


def _tail(output: Path) -> str:
    with contextlib.suppress(OSError), output.open("rb") as file:
        file.seek(max(output.stat().st_size - TAIL, 0))
        return file.read(TAIL).decode("utf-8", "replace")
    return ""
