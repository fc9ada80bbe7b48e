"""A worker and all that it started: how much memory they hold, how many they are, and their end."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path

import psutil

GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)


@dataclass
class Tree:
    """A process and every descendant that was ever seen, since one whose parent has ended is nobody's child."""

    root: psutil.Process | None
    at_start: int = 0
    seen: set[psutil.Process] = field(default_factory=set)

    @classmethod
    def of(cls, pid: int) -> Tree:
        try:
            root = psutil.Process(pid)
            return cls(root, _resident(root))
        except GONE:
            return cls(None)

    def look(self) -> tuple[int, int]:
        """Bytes that they hold beyond what a worker has, and shares with its forks, at its start; and their number."""
        if self.root is None:
            return 0, 0
        with contextlib.suppress(*GONE):
            self.seen.update(self.root.children(recursive=True))
        alive = [self.root, *(process for process in self.seen if process.is_running())]
        return sum(max(0, _resident(process) - self.at_start) for process in alive), len(alive)

    def queued(self) -> float:
        """Seconds for which the root was ready to run and others had the processors; 0 where the system cannot tell."""
        with contextlib.suppress(OSError, IndexError, ValueError, AttributeError):
            return int(Path(f"/proc/{self.root.pid}/schedstat").read_text().split()[1]) / 1e9  # type: ignore[union-attr]
        return 0.0

    def kill(self) -> None:
        """End all of them; whoever was started meanwhile is in the same session."""
        if self.root is None:
            return
        self.look()
        if self.root.is_running():
            with contextlib.suppress(OSError):
                os.killpg(self.root.pid, signal.SIGKILL)
        for process in (self.root, *self.seen):
            with contextlib.suppress(*GONE):
                process.kill()


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(*GONE):
        resident: int = process.memory_info().rss
        return resident
    return 0
