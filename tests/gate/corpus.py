"""The corpus under the gate: a snapshot of every base, and what its edits move."""

from __future__ import annotations

import functools
import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ppo_audit import selftest
from ppo_audit.corpus import catalogue
from ppo_audit.errors import UsageError
from ppo_audit.gate.compare import Move, moves
from ppo_audit.gate.snapshot import Snapshot, take, take_as, with_profile
from ppo_audit.gate.store import dumps, loads
from ppo_audit.settings import Settings
from tests.gate.refactorings import REFACTORINGS

BASES = {base.name: base for base in selftest.ALL_CORRECT}
EDITS = {edit.name: edit for edit in (*selftest.ALL_FAULTS, *REFACTORINGS)}


def settings_of(base: str) -> Settings:
    return selftest.SETTINGS.get(base, Settings())


def spec_of(base: str) -> str:
    return f"{BASES[base].path}:{BASES[base].attribute}"


@functools.cache
def snapshot_of(base: str) -> Snapshot:
    """As it comes back from a file."""
    return loads(dumps(with_profile(take(spec_of(base), settings_of(base)))))


def moved(snapshot: Snapshot, spec: str, base: str) -> list[Move]:
    """What moved from a snapshot to a target; that it cannot be called any more counts as one move."""
    try:
        now = take_as(spec, settings_of(base), snapshot)
    except UsageError as error:
        return [Move("the call", ("", "", ()), str(error), "", "", float("inf"), 1.0)]
    return moves(snapshot, now.snapshot, now.cases)


def moved_by(name: str) -> list[Move]:
    """What one edit of the corpus moves."""
    edit = EDITS[name]
    with tempfile.TemporaryDirectory() as folder:
        path = catalogue.write(edit, Path(folder))
        return moved(snapshot_of(edit.base), f"{path}:{BASES[edit.base].attribute}", edit.base)


def moved_by_all(names: Sequence[str]) -> dict[str, list[Move]]:
    """The same for many edits, on all cores, those of one base together."""
    ordered = sorted(names, key=lambda name: EDITS[name].base)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn"), initializer=_one_thread) as pool:
        return dict(zip(ordered, pool.map(moved_by, ordered, chunksize=12), strict=True))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def main() -> None:
    """Every fault of the self-test under the gate, and which were missed."""
    found = moved_by_all([fault.name for fault in selftest.ALL_FAULTS])
    missed = [name for name, each in found.items() if not each]
    unnamed = [name for name, each in found.items() if not all(move.region for move in each)]
    print(f"{len(found) - len(missed)} of {len(found)} faults detected; missed: {missed}; without a region: {unnamed}")


if __name__ == "__main__":
    main()
