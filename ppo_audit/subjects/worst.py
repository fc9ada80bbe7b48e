"""Choosing the counterexample: of all failing rows, the one with the plainest numbers."""

from __future__ import annotations

import dataclasses

import torch

from ppo_audit.findings import Violation


def worst(violation: Violation, *, unless: torch.Tensor, **columns: torch.Tensor | float | str) -> Violation | None:
    """None where every row of `unless` holds; else the violation with the simplest failing row as its counterexample.

    Written so that NaN fails: pass `unless=error <= tolerance`, never its negation.
    """
    failing = (~unless).nonzero().flatten()
    if not len(failing):
        return None
    row = int(failing[_plainest(failing, columns)])
    case = {name: _number(column, row) for name, column in columns.items()}
    share = {"failing_cases": len(failing), "cases": unless.numel()}
    return dataclasses.replace(violation, counterexample=case, evidence={**violation.evidence, **share})


def _plainest(failing: torch.Tensor, columns: dict[str, torch.Tensor | float | str]) -> int:
    """The index of the failing row whose inputs are nearest to one in size: what a reader can follow in his head."""
    cost = torch.zeros(len(failing), dtype=torch.float64)
    for name, column in columns.items():
        if name not in ("got", "want") and isinstance(column, torch.Tensor) and column.dim() == 1:
            cost += column[failing].abs().to(torch.float64).clamp(1e-6, 1e6).log().abs()
    return int(cost.argmin())


def _number(column: torch.Tensor | float | str, row: int) -> object:
    if not isinstance(column, torch.Tensor):
        return column
    return column[row].item() if column.dim() == 1 else column[row].tolist()
