"""What kind of batch one is: its shape, precision and regime. Verdicts say how many of these they rest on."""

from __future__ import annotations

import torch

from ppo_audit.subjects.batch import Batch

RATIOS = (0.0, 0.18, 0.7, 2.0, 20.0)
"""Bounds between regimes of the largest log-ratio: none, inside a usual clip, around it, beyond, far, out of reach."""


def stratum(batch: Batch, dtype: torch.dtype) -> str:
    """The stratum of a batch, as a name that is equal for batches of one kind."""
    tensors = {role: value for role, value in batch.items() if isinstance(value, torch.Tensor)}
    shape = max((tuple(value.shape[:2]) for value in tensors.values()), default=())
    return f"stratum {shape} {dtype} {_ratios(tensors)} {_signs(tensors)} {_masked(tensors)}"


def _ratios(tensors: dict[str, torch.Tensor]) -> int:
    new, old = tensors.get("log_prob"), tensors.get("old_log_prob")
    if new is None or old is None or new.shape != old.shape or not new.numel():
        return -1
    largest = float((new - old).abs().max())
    return sum(not largest <= bound for bound in RATIOS)


def _signs(tensors: dict[str, torch.Tensor]) -> str:
    """All zero, constant, of one sign, or of both."""
    credit = tensors.get("effective_advantage", tensors.get("advantage", tensors.get("reward")))
    if credit is None or not credit.numel():
        return "none"
    low, high = (float(bound) for bound in torch.aminmax(credit))
    if low == high:
        return "zero" if low == 0 else "constant"
    return "mixed" if low < 0 < high else "signed"


def _masked(tensors: dict[str, torch.Tensor]) -> str:
    mask = tensors.get("mask")
    if mask is None or not mask.numel():
        return "none"
    low, high = (float(bound) for bound in torch.aminmax(mask))
    return f"{mask.dtype} {'ragged' if low != high else low}"
