"""Two snapshots side by side: what moved, by how much against its tolerance, and in which region."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ppo_audit.gate.cases import RATIO_BINS, RATIO_LAST, Case, Labels
from ppo_audit.gate.reading import Key, Reading, floor_of
from ppo_audit.gate.snapshot import Snapshot
from ppo_audit.thresholds import TOLERANCES

NOISE_ALLOWED = 4.0
"""How many times the effect of rounding the inputs a number may move before that is more than rounding."""

RATIOS = (*(name for _, name in RATIO_BINS), RATIO_LAST)


@dataclass(frozen=True)
class Move:
    """One thing that moved. `error` and `tolerance` are relative to the size of the number; infinite where it broke."""

    what: str
    key: Key
    region: str
    before: str
    after: str
    error: float
    tolerance: float
    row: int | None = None

    @property
    def excess(self) -> float:
        """How many tolerances it moved."""
        return self.error / self.tolerance


def moves(before: Snapshot, after: Snapshot, cases: Mapping[Key, Case]) -> list[Move]:
    """Everything that moved, the largest first in each region's order of cases."""
    new = after.by_key()
    found: list[Move] = []
    for reading in before.readings:
        labels = cases[reading.key].labels if reading.key in cases else {}
        found += between(reading, new.get(reading.key), labels)
    return [*found, *_envelope(before, after)]


def between(before: Reading, after: Reading | None, labels: Labels) -> list[Move]:
    """What moved on one case."""
    region = describe(before)
    if after is None:
        return [_broken("the case", before, region, "measured", "cannot be called so any more")]
    if before.raised or after.raised:
        told = [f"raises {r.raised}" if r.raised else "a result" for r in (before, after)]
        return [] if told[0] == told[1] else [_broken("the call", before, region, *told)]
    conduct = [set(r.conduct) for r in (before, after)]
    found = [_broken("its conduct", before, region, "did not", each) for each in sorted(conduct[1] - conduct[0])]
    found += [_broken("its conduct", before, region, each, "does not") for each in sorted(conduct[0] - conduct[1])]
    for name, row in before.numbers.items():
        if name not in after.numbers:
            found.append(_broken(name, before, region, "given", "not there"))
        else:
            found += _numbers(name, before, row, after.numbers[name], labels)
    return found


def describe(reading: Reading) -> str:
    """A case in words."""
    options = ", ".join(f"{name}={_option(value)}" for name, value in reading.options)
    return reading.case + (f" with {options}" if options else "")


def tolerance_of(reading: Reading, name: str) -> float:
    """The relative tolerance of a number: of the narrowest dtype computed in, and what rounding does to it."""
    dtypes = [reading.computes_in] + [reading.dtype] * (reading.dtype == "float32")
    tolerance = max(TOLERANCES[dtype] for dtype in dtypes)
    return max(tolerance, NOISE_ALLOWED * reading.noise.get(name, 0.0))


def _numbers(
    name: str, reading: Reading, before: Sequence[float], after: Sequence[float], labels: Labels
) -> Iterator[Move]:
    if len(before) != len(after):
        yield _broken(name, reading, describe(reading), f"{len(before)} entries", f"{len(after)} entries")
        return
    tolerance, floor = tolerance_of(reading, name), floor_of(name, before)
    errors = [_error(a, b, floor) for a, b in zip(before, after, strict=True)]
    rows = [row for row, error in enumerate(errors) if not error <= tolerance]
    if not rows:
        return
    worst = max(rows, key=lambda row: errors[row])
    named = region(rows, len(before), labels) or describe(reading)
    where = named if named == describe(reading) else f"{named} ({describe(reading)})"
    yield Move(name, reading.key, where, f"{before[worst]:.6g}", f"{after[worst]:.6g}", errors[worst], tolerance, worst)


def _error(before: float, after: float, floor: float) -> float:
    """How far apart, relative to the number or its scale; infinite where one of them is not finite."""
    if before == after or (math.isnan(before) and math.isnan(after)):
        return 0.0
    if not (math.isfinite(before) and math.isfinite(after)):
        return math.inf
    size = max(abs(before), floor)
    return abs(before - after) / size if size else math.inf


def region(rows: Sequence[int], count: int, labels: Labels) -> str:
    """What the moved rows have in common that not all rows have; empty where they are all, or nothing tells them.

    The first classification splits the rows, since a clip acts on other ratios for A<0 than for A>0.
    """
    columns = [_stretched(column, count) for column in labels.values() if column and count % len(column) == 0]
    if not columns or len(rows) == count:
        return ""
    first, *others = columns
    by_rest: dict[str, list[str]] = {}
    for name in dict.fromkeys(first):
        mine = [row for row in rows if first[row] == name]
        if mine:
            alike = [row for row in range(count) if first[row] == name]
            rest = ", ".join(filter(None, (_told([c[r] for r in mine], [c[r] for r in alike]) for c in others)))
            by_rest.setdefault(rest, []).append(name)
    whole = len(by_rest) == 1 and len(next(iter(by_rest.values()))) == len(set(first))
    said = [", ".join(filter(None, ("" if whole else " or ".join(names), rest))) for rest, names in by_rest.items()]
    return "; ".join(filter(None, said))


def _stretched(column: Sequence[str], count: int) -> list[str]:
    """A label a row as a label an entry, where a row has several."""
    return [label for label in column for _ in range(count // len(column))]


def _told(mine: Sequence[str], alike: Sequence[str]) -> str:
    """The labels of some rows, unless they are those of all; neighbouring bins of the ratio are one."""
    labels, known = set(mine), set(alike)
    if labels == known:
        return ""
    if labels <= set(RATIOS):
        places = [place for place, name in enumerate(RATIOS) if name in labels]
        between = {place for place in range(places[0], places[-1]) if RATIOS[place] in known}
        if between <= set(places):
            return _from_to(places[0], places[-1])
    return " or ".join(name for name in dict.fromkeys(alike) if name in labels)


def _from_to(first: int, last: int) -> str:
    edges = [edge for edge, _ in RATIO_BINS]
    if last == len(edges):
        return f"ratio above {edges[first - 1]:g}"
    return f"ratio below {edges[last]:g}" if first == 0 else f"ratio {edges[first - 1]:g} to {edges[last]:g}"


def _envelope(before: Snapshot, after: Snapshot) -> Iterator[Move]:
    for name, limit in before.envelope.items():
        now = after.envelope.get(name)
        if limit != now:
            yield Move(
                "stays finite", (name, "", ()), name, _limit(limit), _limit(now), math.inf, TOLERANCES["float64"]
            )


def _limit(value: float | None) -> str:
    return "nowhere" if value is None else f"{value:g}"


def _broken(what: str, reading: Reading, where: str, before: str, after: str) -> Move:
    return Move(what, reading.key, where, before, after, math.inf, TOLERANCES["float64"])


def _option(value: float | bool | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
