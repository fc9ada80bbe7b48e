"""What one evaluation showed: numbers by name, what it raised, how it behaved, and the operations it recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ppo_audit.gate.cases import Case
from ppo_audit.recording.graph import backward_slice, plain
from ppo_audit.recording.trace import Op, Trace

Numbers = tuple[float, ...]
Key = tuple[str, str, tuple[tuple[str, float | bool | str], ...]]
SMALLEST_GRADIENT = 1e-6


@dataclass(frozen=True)
class Operation:
    """One recorded operation: its place is told and never compared, its mark tells its result from others."""

    name: str
    function: str
    place: str
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """One case measured. `noise` is how far rounding of the inputs moves each of the numbers, relative to its scale."""

    case: str
    dtype: str
    options: tuple[tuple[str, float | bool | str], ...] = ()
    computes_in: str = "float64"
    numbers: Mapping[str, Numbers] = field(default_factory=dict)
    raised: str | None = None
    conduct: tuple[str, ...] = ()
    noise: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return self.case, self.dtype, self.options


def empty(case: Case, raised: str) -> Reading:
    """A case on which the target raised."""
    return Reading(case.name, case.dtype, case.options, raised=raised)


def floor_of(name: str, numbers: Sequence[float]) -> float:
    """What small entries are compared with: the largest finite entry, or one where that is larger.

    Torch sums gradients inside one operation, so that what they lose when they nearly cancel is not to be seen from
    outside: below a millionth they are compared with that.
    """
    largest = min(max((abs(n) for n in numbers if math.isfinite(n)), default=0.0), 1.0)
    return max(largest, SMALLEST_GRADIENT) if name.startswith("d loss") else largest


def noise_among(first: Mapping[str, Numbers], others: Sequence[Mapping[str, Numbers]]) -> dict[str, float]:
    """How far other readings lie from the first, by number, relative to each entry or its scale."""
    found: dict[str, float] = {}
    for name, row in first.items():
        floor = floor_of(name, row)
        rows = [other[name] for other in others if name in other]
        found[name] = max((_gap(a, b, floor) for other in rows for a, b in zip(row, other, strict=False)), default=0.0)
    return found


def _gap(first: float, second: float, floor: float) -> float:
    if not (math.isfinite(first) and math.isfinite(second)):
        return 0.0
    size = max(abs(first), floor)
    return abs(first - second) / size if size else 0.0


def operations(trace: Trace, total: int) -> tuple[Operation, ...]:
    """The operations that the loss depends on, in order."""
    return tuple(_operation(trace, op) for op in backward_slice(trace, [total]))


def _operation(trace: Trace, op: Op) -> Operation:
    place = f"{Path(op.site.file).name}:{op.site.line}" if op.site else "?"
    return Operation(plain(op.name), op.key.function, place, (mark(trace.tensors[op.outputs[0]]),))


def mark(tensor: torch.Tensor) -> str:
    """A result in brief: a sum with uneven weights, how many entries there are, and whether a gradient flows."""
    values = tensor.detach().double().reshape(-1).cpu()
    weights = torch.cos(torch.arange(1, values.numel() + 1, dtype=torch.float64))
    live = "g" if tensor.requires_grad else "c"
    return f"{float((weights * values).sum()):.6g}/{values.numel()}{live}"


def narrowest(trace: Trace, otherwise: torch.dtype) -> str:
    """The narrowest floating-point dtype that an operation computed an array in."""
    made = [trace.tensors[number] for op in trace.ops for number in op.outputs]
    found = [t.dtype for t in made if t.is_floating_point() and t.dim() > 0] or [otherwise]
    return str(min(found, key=lambda dtype: torch.finfo(dtype).bits)).removeprefix("torch.")
