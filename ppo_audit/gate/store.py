"""A snapshot as text and back: JSON in a stable order, one line a row of numbers, runs of equal numbers folded."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppo_audit.errors import UsageError
from ppo_audit.gate.reading import Operation, Reading
from ppo_audit.gate.snapshot import SCHEMA, Snapshot

DIGITS = {"float64": 13, "float32": 9, "bfloat16": 6, "float16": 6}


def dumps(snapshot: Snapshot) -> str:
    """The text of a snapshot."""
    whole = {
        "schema": SCHEMA,
        "target": snapshot.target,
        "made_with": dict(snapshot.made_with),
        "settings": dict(snapshot.settings),
        "how": dict(snapshot.how),
        "profile": dict(snapshot.profile),
        "envelope": dict(snapshot.envelope),
        "operations": {name: [_line(op) for op in ops] for name, ops in snapshot.operations.items()},
        "readings": [_reading(reading) for reading in snapshot.readings],
    }
    return json.dumps(whole | {"digest": _digest(whole)}, indent=1, ensure_ascii=False) + "\n"


def _digest(whole: Mapping[str, Any]) -> str:
    """By which a file is known as one that was written and not edited or merged: such a one measures nothing."""
    rest = {name: value for name, value in whole.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def read(path: Path) -> Snapshot:
    """The snapshot in a file; raises UsageError where there is none."""
    try:
        return loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"`{path}` cannot be read ({error.strerror}); expected a snapshot, as `ppo-audit snapshot TARGET -o "
            f"{path.name}` writes it."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"`{path}` is no snapshot of this version ({SCHEMA}), or was edited or merged since; write it anew with "
            f"`ppo-audit snapshot TARGET -o {path.name}`."
        ) from error


def loads(text: str) -> Snapshot:
    """The snapshot that a text holds."""
    whole = json.loads(text)
    if whole["schema"] != SCHEMA:
        raise ValueError(whole["schema"])
    if whole["digest"] != _digest(whole):
        raise ValueError("it was edited")
    return Snapshot(
        whole["target"],
        whole["how"],
        whole["settings"],
        whole["made_with"],
        whole["profile"],
        whole["envelope"],
        {name: tuple(_operation(line) for line in lines) for name, lines in whole["operations"].items()},
        tuple(_read(entry) for entry in whole["readings"]),
    )


def folded(numbers: tuple[float, ...], digits: int) -> str:
    """Numbers in a line: `0.25*8 -1.5 nan` is eight quarters, -1.5 and no number."""
    words = [f"{number + 0.0:.{digits}g}" for number in numbers]
    runs = [(word, len(list(same))) for word, same in itertools.groupby(words)]
    return " ".join(word if count == 1 else f"{word}*{count}" for word, count in runs)


def unfolded(text: str) -> tuple[float, ...]:
    """The numbers of a line."""
    found: list[float] = []
    for word in text.split():
        number, _, count = word.partition("*")
        found += [float(number)] * int(count or 1)
    return tuple(found)


def _line(operation: Operation) -> str:
    return f"{operation.name} in {operation.function} at {operation.place} = {' '.join(operation.marks)}"


def _operation(line: str) -> Operation:
    name, _, rest = line.partition(" in ")
    function, _, rest = rest.partition(" at ")
    place, _, marks = rest.partition(" = ")
    return Operation(name, function, place, tuple(marks.split()))


def _reading(reading: Reading) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "case": reading.case,
        "dtype": reading.dtype,
        "options": dict(reading.options),
        "computes_in": reading.computes_in,
        "raised": reading.raised,
        "conduct": list(reading.conduct),
        "numbers": {name: folded(row, DIGITS[reading.dtype]) for name, row in reading.numbers.items()},
        "noise": {name: float(f"{size:.1e}") for name, size in sorted(reading.noise.items()) if size > 1e-12},
    }
    default = dataclasses.asdict(Reading("", ""))
    return {name: value for name, value in plain.items() if value and value != default.get(name)}


def _read(entry: Mapping[str, Any]) -> Reading:
    return Reading(
        entry["case"],
        entry["dtype"],
        tuple(entry.get("options", {}).items()),
        entry.get("computes_in", "float64"),
        {name: unfolded(row) for name, row in entry.get("numbers", {}).items()},
        entry.get("raised"),
        tuple(entry.get("conduct", ())),
        entry.get("noise", {}),
    )
