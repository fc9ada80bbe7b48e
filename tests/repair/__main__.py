"""`python -m tests.repair STORE [STEP [START]]`: the share of flagged faults with a verified fix that is as meant.

Written losses, helpers, generated losses and training programs; every STEP-th fault is audited, from START on. Of
written ones the finding of the owning rule counts. Each result is a line of the file STORE as it comes: what stands
there is not audited again, so that a run that was cut goes on, and two processes may share the work and the file.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings
from tests.corpus import catalogue, helper_catalogue, mutation
from tests.repair.differential import Repair, repair_of_fault, repair_of_mutant, repair_of_program
from tests.targets import cleanrl_faults
from tests.targets import trainer_programs as programs

Row = dict[str, Any]


def main(store: Path, step: int = 1, start: int = 0) -> None:
    torch.set_num_threads(1)
    for kind, faults, repair in sets():
        for fault in faults[start::step]:
            if not any(row["kind"] == kind and row["name"] == fault.name for row in rows_of(store)):
                keep(store, kind, fault.name, repair(fault))
        tell(kind, [row for row in rows_of(store) if row["kind"] == kind])
    tell_lines(programs.FAULTS[start::step])


def sets() -> Iterator[tuple[str, Sequence[Any], Callable[[Any], Repair | None]]]:
    yield "written", (*catalogue.FAULTS, *catalogue.FAULTS_LATER), repair_of_fault
    yield "helpers", helper_catalogue.FAULTS, repair_of_fault
    yield "programs", (*programs.FAULTS, *cleanrl_faults.FAULTS), repair_of_program
    yield "generated", [mutant for mutant in mutation.sample() if mutant.is_fault], repair_of_mutant


def rows_of(store: Path) -> list[Row]:
    return [json.loads(line) for line in store.read_text().splitlines()] if store.exists() else []


def keep(store: Path, kind: str, name: str, repair: Repair | None) -> None:
    """One line of the store; a fault that is not flagged has none of a rule."""
    row = {"kind": kind, "name": name} | (dataclasses.asdict(repair) if repair else {})
    with store.open("a") as file:
        file.write(json.dumps(row) + "\n")


def tell(kind: str, rows: Sequence[Row]) -> None:
    """What was flagged and has no fix as meant, one a line, then the figures."""
    flagged = [row for row in rows if "rule" in row]
    fixed, wrong = ([row for row in flagged if row[key]] for key in ("fix", "differs"))
    for row in flagged:
        if row in wrong or row not in fixed:
            print(f"{'NOT AS MEANT' if row in wrong else 'no fix':12} {row['rule']} {row['name']}: {row['fix']}")
    share = len(fixed) / max(len(flagged), 1)
    print(f"{kind}: {len(flagged)} flagged, {len(fixed)} with a verified fix ({share:.1%}), {len(wrong)} not as meant")


def tell_lines(faults: Sequence[programs.ProgramFault]) -> None:
    """Of how many training programs the faulty line is named first, and within three."""
    ranks = [rank for fault in faults if (rank := rank_of(fault)) is not None]
    first, in_three = sum(rank == 1 for rank in ranks), sum(0 < rank <= 3 for rank in ranks)
    print(f"programs: {len(ranks)} flagged faults, the line first in {first}, within three in {in_three}")


def rank_of(fault: programs.ProgramFault) -> int | None:
    """Which of the lines that its own rule names is the faulty one, from 1; 0 for none, None if not flagged."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = str(programs.write(fault, Path(folder)))
        found = [each for each in audit_targets([spec], Settings(trials=0)).findings if each.rule == fault.rule]
    if not found:
        return None
    places = [place.line for place in (found[0].location, *found[0].alternatives) if place is not None]
    return next((rank for rank, line in enumerate(places, 1) if line == programs.line_of(fault)), 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
