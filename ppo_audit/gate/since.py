"""Since which recorded operation two runs differ: by results, in brief, so that another order or helper is no news."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ppo_audit.gate.reading import Operation, Reading
from ppo_audit.gate.snapshot import MARKED, Measured, Snapshot

CLOSE = 1e-4
DECIMALS = 1e-6
"""Marks hold six digits; what rounding moves is no news."""


def first_difference(before: Snapshot, after: Measured, reading: Reading | None) -> Operation | None:
    """The first operation of the new run whose result the old one did not have, on a case where results were kept."""
    preferred = [reading.case] if reading is not None else []
    names = [n for n in (*preferred, *MARKED) if n in before.operations and n in after.snapshot.operations]
    for name in names:
        found = _by_result(before.operations[name], after.snapshot.operations[name])
        if found is not None:
            return found
    return next((op for n in names if (op := _by_name(before.operations[n], after.snapshot.operations[n]))), None)


def between(before: Sequence[Operation], after: Sequence[Operation]) -> Operation | None:
    """The same for two runs of one case, both at hand."""
    return _by_result(before, after) or _by_name(before, after)


def _by_result(before: Sequence[Operation], after: Sequence[Operation]) -> Operation | None:
    known = [_parsed(op.marks[0]) for op in before]
    return next((op for op in after if not any(_same(_parsed(op.marks[0]), other) for other in known)), None)


def _by_name(before: Sequence[Operation], after: Sequence[Operation]) -> Operation | None:
    """The first operation that was inserted or replaced; of what was left out, the one that came next."""
    names = [op.name for op in before], [op.name for op in after]
    for tag, _, _, start, _ in difflib.SequenceMatcher(a=names[0], b=names[1], autojunk=False).get_opcodes():
        if tag != "equal" and after:
            return after[min(start, len(after) - 1)]
    return None


def _parsed(mark: str) -> tuple[float, str]:
    value, _, shape = mark.partition("/")
    return float(value), shape


def _same(first: tuple[float, str], second: tuple[float, str]) -> bool:
    if first[1] != second[1]:
        return False
    a, b = first[0], second[0]
    return a == b or (a != a and b != b) or abs(a - b) <= CLOSE * max(abs(a), abs(b)) + DECIMALS
