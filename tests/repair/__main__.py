"""`python -m tests.repair [STEP [START]]`: the share of flagged faults with a verified fix, written and generated ones.

Of written faults the finding of the owning rule counts; every STEP-th fault is audited, from START on. Faults of
training programs are counted by their line.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings
from tests.corpus import catalogue, mutation
from tests.repair.differential import Repair, repair_of_fault, repair_of_mutant
from tests.targets import trainer_programs as programs


def main(step: int = 1, start: int = 0) -> None:
    torch.set_num_threads(1)
    written = (*catalogue.FAULTS, *catalogue.FAULTS_LATER)[start::step]
    generated = [mutant for mutant in mutation.sample() if mutant.is_fault][start::step]
    tell("written", map(repair_of_fault, written))
    tell("generated", map(repair_of_mutant, generated))
    tell_lines(programs.FAULTS[start::step])


def tell(kind: str, repairs: Iterable[Repair | None]) -> None:
    """One line a fault as it comes, then the figures."""
    flagged, fixed, wrong = 0, 0, 0
    for repair in repairs:
        if repair is None:
            continue
        flagged, fixed, wrong = flagged + 1, fixed + bool(repair.fix), wrong + bool(repair.differs)
        word = "NOT AS MEANT" if repair.differs else "verified" if repair.fix else "no fix"
        print(f"{word:12} {repair.rule} {repair.name}: {repair.fix}", flush=True)
    print(
        f"{kind}: {flagged} flagged faults, {fixed} with a verified fix ({fixed / max(flagged, 1):.0%}), {wrong} wrong"
    )


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
    main(*map(int, sys.argv[1:]))
