"""`python -m tests.repair [STEP [START]]`: the share of flagged faults with a verified fix, written and generated ones.

Of written faults the finding of the owning rule counts; every STEP-th fault is audited, from START on.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import torch

from tests.corpus import catalogue, mutation
from tests.repair.differential import Repair, repair_of_fault, repair_of_mutant


def main(step: int = 1, start: int = 0) -> None:
    torch.set_num_threads(1)
    written = (*catalogue.FAULTS, *catalogue.FAULTS_LATER)[start::step]
    generated = [mutant for mutant in mutation.sample() if mutant.is_fault][start::step]
    tell("written", map(repair_of_fault, written))
    tell("generated", map(repair_of_mutant, generated))


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


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
