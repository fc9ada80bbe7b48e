"""Metrics of a run: one JSON object a line, TensorBoard events where it is installed, and the learning curve."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append(path: Path, metrics: Mapping[str, float]) -> None:
    """One line. Numbers that JSON has no word for are written as null."""
    record = {name: x if math.isfinite(x) else None for name, x in metrics.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def read(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a last line that a kill cut short is dropped."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def forget_after(path: Path, steps: int) -> None:
    """Drop what was written after the checkpoint that the run resumes from: it will be written again."""
    kept = [record for record in read(path) if record["steps"] <= steps]
    beside = path.with_name(path.name + ".tmp")
    beside.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
    beside.replace(path)


class TensorBoard:
    """Scalars by step, one curve a metric; silent where tensorboard is not installed."""

    def __init__(self, folder: Path, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._writer = None
            return
        # purge_step: events after the checkpoint are written again
        self._writer = SummaryWriter(str(folder), purge_step=resumed_at + 1 if resumed_at else None)

    def write(self, steps: int, metrics: Mapping[str, float]) -> None:
        if self._writer is None:
            return
        for name, x in metrics.items():
            self._writer.add_scalar(name, x, steps)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def save_curve(records: list[dict[str, Any]], path: Path, title: str) -> bool:
    """The recent return over steps as a PNG; False where matplotlib is not installed or no episode ended."""
    points = [(r["steps"], r["return"]) for r in records if r.get("return") is not None]
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not points:
        return False
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(*zip(*points, strict=True))
    axes.set(title=title, xlabel="environment steps", ylabel="mean return of the last 100 episodes")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    return True
