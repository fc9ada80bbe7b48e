"""What a target changes outside itself: generators, modes and defaults, watched line by line while it runs."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import torch

from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.recording.trace import Site
from ppo_audit.subjects.subject import Subject

WATCHED: Mapping[str, Callable[[], object]] = {
    "the seed of torch's generator": torch.initial_seed,
    "gradient mode": torch.is_grad_enabled,
    "the default dtype": torch.get_default_dtype,
    "the number of threads": torch.get_num_threads,
    "deterministic mode": torch.are_deterministic_algorithms_enabled,
    "anomaly mode": torch.is_anomaly_enabled,
}
"""State that a loss has no business with. What it draws from a generator shows in its result: PPO002 judges that."""
UNLIKELY_SEED = 7919


@dataclass
class Watch:
    """The state after every line of the target's files, and the line that changed each part of it last."""

    files: frozenset[str]
    before: dict[str, object] = field(default_factory=lambda: _state())
    now: dict[str, object] = field(default_factory=lambda: _state())
    line: Site | None = None
    changed: dict[str, tuple[object, Site | None]] = field(default_factory=dict)

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        file = frame.f_code.co_filename
        if file not in self.files:
            return None
        self._compare()
        number = frame.f_lineno
        self.line = Site(file, number, number, 0, 0, frame.f_code.co_qualname)
        return self

    def _compare(self) -> None:
        state = _state()
        for name, value in state.items():
            if value != self.now[name]:
                self.changed[name] = (value, self.line)
        self.now = state


def _state() -> dict[str, object]:
    return {name: read() for name, read in WATCHED.items()}


def left_changed(subject: Subject) -> dict[str, tuple[object, object, Location | None]]:
    """What one call leaves changed, by name: before, after, and the line that changed it."""
    batch, seeded = subject.rows(8), (random.getstate(), torch.get_rng_state(), torch.get_num_threads())
    files = frozenset(op.site.file for op in subject.run(batch).trace.ops if op.site is not None)
    torch.manual_seed(UNLIKELY_SEED)
    watch = Watch(files)
    tracer = sys.gettrace()
    sys.settrace(watch)
    try:
        subject.run(batch)
    finally:
        sys.settrace(tracer)
        random.setstate(seeded[0])
        torch.set_rng_state(seeded[1])
        torch.set_num_threads(seeded[2])
    differing = {name: found for name, found in watch.changed.items() if found[0] != watch.before[name]}
    return {
        name: (watch.before[name], value, location_of(site) if site else None)
        for name, (value, site) in differing.items()
    }
