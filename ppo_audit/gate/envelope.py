"""How far a loss stays finite: the largest log-ratios and the smallest denominators, per dtype."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from ppo_audit.gate.cases import Case, Design
from ppo_audit.gate.grids import spread
from ppo_audit.gate.losses import LossGauge
from ppo_audit.subjects.batch import Batch

LOG_RATIOS = (2.0, 5.0, 9.0, 12.0, 16.0, 22.0, 30.0, 42.0, 60.0, 80.0, 95.0, 150.0, 300.0, 600.0, 800.0, 1e4)
SPREADS = (1.0, 1e-2, 1e-4, 1e-6, 1e-9, 1e-12, 1e-18, 1e-25, 0.0)
ROWS = (8.0, 4.0, 2.0, 1.0)
KEPT = (8.0, 2.0, 1.0, 0.0)
DTYPES = ("float64", "float32")
Envelope = Mapping[str, float | None]
"""The last value at which loss and gradients are finite, by what was tried; None where already the first was not."""


def envelope(gauge: LossGauge) -> Envelope:
    """Every limit that the loss can be asked for."""
    design, found = gauge.design, dict[str, float | None]()
    for dtype in DTYPES:
        for name, values, build in _ladders(design):
            found[f"{name}, {dtype}"] = _last(values, lambda v, b=build, d=dtype: _is_finite(gauge, b(v), d))  # type: ignore[misc]
    return found


def _ladders(design: Design) -> list[tuple[str, Sequence[float], Callable[[float], Batch]]]:
    """What is tried: a name, values from harmless to extreme, and the batch at each of them."""
    found: list[tuple[str, Sequence[float], Callable[[float], Batch]]] = []
    if design.has("log_prob", "old_log_prob"):
        found.append(("largest log-ratio", LOG_RATIOS, lambda size: _far(design, size)))
        found.append(("largest negative log-ratio", LOG_RATIOS, lambda size: _far(design, -size)))
    if design.has("advantage"):
        drawn = spread("advantage", (8,))
        found.append(("smallest spread of advantages", SPREADS, lambda s: design.batch(advantage=0.5 + s * drawn)))
    if design.capacity is None:
        found.append(("fewest rows", ROWS, lambda rows: design.batch(int(rows))))
    if design.has("mask") and design.capacity is None:
        found.append(("fewest rows that count", KEPT, lambda kept: _keeping(design, int(kept))))
    return found


def _far(design: Design, size: float) -> Batch:
    batch = design.batch(advantage=torch.tensor((-1.3, 0.8), dtype=torch.float64))
    old = batch["old_log_prob"]
    assert isinstance(old, torch.Tensor)
    return batch | {"log_prob": old + size}


def _keeping(design: Design, kept: int) -> Batch:
    batch = design.batch()
    shape = design.layout.shape("mask", 8)
    keep = (torch.arange(8) < kept).double().reshape(8, *[1] * (len(shape) - 1)).expand(shape)
    return batch | {"mask": design.layout.mask(keep.clone())}


def _last(values: Sequence[float], holds: Callable[[float], bool]) -> float | None:
    """By bisection: what is finite is so from the harmless end on."""
    low, high = -1, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(values[middle]) else (low, middle)
    return values[low] if low >= 0 else None


def _is_finite(gauge: LossGauge, batch: Batch, dtype: str) -> bool:
    reading = gauge.read(Case("envelope", batch, dtype=dtype))
    found = [n for name, entries in reading.numbers.items() if not name.startswith("returned") for n in entries]
    return reading.raised is None and all(abs(n) < float("inf") for n in found)
