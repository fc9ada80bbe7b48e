"""The gate's verdict: two targets or a target and a snapshot compared, and the answer in words or as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.gate.compare import Move, moves
from ppo_audit.gate.reading import Operation
from ppo_audit.gate.since import between as operations_between
from ppo_audit.gate.since import first_difference
from ppo_audit.gate.snapshot import Measured, Snapshot, profile, quiet, take_as, with_profile
from ppo_audit.gate.worst import Counterexample, counterexample
from ppo_audit.settings import Settings

MOST_SHOWN = 12
SAME, MOVED = 0, 1


@dataclass(frozen=True)
class Verdict:
    """What came of a comparison. `notes` are differences that move no number: another profile, other operations."""

    before: str
    after: str
    cases: int
    moves: tuple[Move, ...]
    since: Operation | None = None
    smallest: Counterexample | None = None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return MOVED if self.moves else SAME


def against(snapshot: Snapshot, spec: str, settings: Settings) -> Verdict:
    """A target against a stored snapshot."""
    measured = take_as(spec, settings, snapshot)
    with quiet():
        found = moves(snapshot, measured.snapshot, measured.cases)
        since = first_difference(snapshot, measured, _reading_of(snapshot, found)) if found else None
        notes = _notes(snapshot, measured, found)
    return Verdict(f"the snapshot of {snapshot.target}", spec, len(snapshot.readings), tuple(found), since, None, notes)


def compared(first: Measured, spec: str, settings: Settings) -> Verdict:
    """Two targets, both at hand: also the smallest input on which they differ."""
    before = with_profile(first)
    measured = take_as(spec, settings, before)
    with quiet():
        found = moves(before, measured.snapshot, measured.cases)
        worst = max((m for m in found if m.key in measured.cases and m.row is not None), key=_rank, default=None)
        since, smallest = None, None
        if worst is not None:
            case = measured.cases[worst.key]
            since = operations_between(first.gauge.operations(case), measured.gauge.operations(case))
            smallest = counterexample(first.gauge, measured.gauge, case)
        notes = _notes(before, measured, found)
    return Verdict(before.target, spec, len(before.readings), tuple(found), since, smallest, notes)


def _rank(move: Move) -> tuple[bool, float]:
    """What is shown first: a finite difference in a region that has a name, then the largest."""
    return move.region.endswith(")"), -1.0 if math.isinf(move.error) else move.excess


def _reading_of(snapshot: Snapshot, found: Sequence[Move]) -> Any:
    return snapshot.by_key().get(found[0].key)


def _notes(before: Snapshot, after: Measured, found: Sequence[Move]) -> tuple[str, ...]:
    """Profiles are compared where numbers moved: a refactoring may read otherwise and compute the same."""
    notes: list[str] = []
    if found and before.profile:
        now = profile(after.gauge)
        names = sorted(before.profile.keys() | now.keys())
        notes += [
            f"profile: {name} was {before.profile.get(name)}, is {now.get(name)}"
            for name in names
            if json.dumps(before.profile.get(name)) != json.dumps(now.get(name))
        ]
    for name, old in before.operations.items():
        new = after.snapshot.operations.get(name, ())
        if [op.name for op in old] != [op.name for op in new]:
            notes.append(f"recorded operations: {len(old)} before, {len(new)} now")
            break
    return tuple(notes)


def text(verdict: Verdict) -> str:
    """The verdict for a reader."""
    if not verdict.moves:
        head = f"SAME: {verdict.after} computes what {verdict.before} computed, on {verdict.cases} designed cases."
        return "\n".join([head, *(f"  note: {note}" for note in verdict.notes)]) + "\n"
    places = sorted(dict.fromkeys(move.region for move in verdict.moves), key=lambda place: not place.endswith(")"))
    lines = [f"MOVED: {verdict.after} differs from {verdict.before} on {len(places)} of its cases and regions."]
    for place in places[:MOST_SHOWN]:
        lines.append(f"\n  {place}")
        lines += [f"    {_line(move)}" for move in verdict.moves if move.region == place]
    if len(places) > MOST_SHOWN:
        lines.append(f"\n  and {len(places) - MOST_SHOWN} more regions; all of them with --format json")
    if verdict.since is not None:
        op = verdict.since
        lines.append(f"\n  since `{op.name}` in {op.function}, {op.place}: the first operation with another result")
    if verdict.smallest is not None:
        lines += ["", *_example(verdict.smallest)]
    return "\n".join([*lines, *(f"  {note}" for note in verdict.notes)]) + "\n"


def _line(move: Move) -> str:
    size = "" if math.isinf(move.error) else f"  (relative {move.error:.1e}, tolerance {move.tolerance:.1e})"
    dtype = f" [{move.key[1]}]" if move.key[1] not in ("", "float64") else ""
    return f"{move.what}{dtype}: {move.before} -> {move.after}{size}"


def _example(found: Counterexample) -> list[str]:
    lines = ["  the smallest input found on which they differ:"]
    for role, value in found.batch.items():
        told = value.tolist() if isinstance(value, torch.Tensor) else value
        lines.append(f"    {role} = {_short(told)}")
    return [*lines, f"    gives {found.move.what}: {found.move.before} -> {found.move.after}"]


def _short(told: Any) -> str:
    if isinstance(told, list):
        return "[" + ", ".join(_short(each) for each in told) + "]"
    return f"{told:.4g}" if isinstance(told, float) else str(told)


def as_json(verdict: Verdict) -> str:
    """The verdict for a program; what is infinite is null."""
    found = [_entry(move) for move in verdict.moves]
    smallest = verdict.smallest
    whole = {
        "schema": "ppo-audit-diff/1",
        "before": verdict.before,
        "after": verdict.after,
        "cases": verdict.cases,
        "moves": found,
        "since": dataclasses.asdict(verdict.since) if verdict.since else None,
        "smallest": None
        if smallest is None
        else {role: v.tolist() if isinstance(v, torch.Tensor) else v for role, v in smallest.batch.items()},
        "notes": list(verdict.notes),
        "exit_code": verdict.exit_code,
    }
    return json.dumps(whole, indent=2) + "\n"


def _entry(move: Move) -> Mapping[str, Any]:
    return {
        "what": move.what,
        "case": move.key[0],
        "dtype": move.key[1] or None,
        "options": dict(move.key[2]),
        "region": move.region,
        "before": move.before,
        "after": move.after,
        "relative": None if math.isinf(move.error) else move.error,
        "tolerance": move.tolerance,
    }
