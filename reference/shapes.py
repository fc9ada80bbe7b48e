"""Checks for the first lines of a reference function: silent broadcasting is the bug these functions exist to find."""

from __future__ import annotations

import torch
from torch import Tensor


def require_equal_shapes(**tensors: Tensor) -> None:
    """All tensors have the very same shape; `(N,)` beside `(N, 1)` is an error, never a broadcast."""
    if len({tensor.shape for tensor in tensors.values()}) > 1:
        got = ", ".join(f"`{name}` {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ValueError(f"expected equal shapes, got {got}")


def require_rank(rank: int, **tensors: Tensor) -> None:
    """All tensors have exactly this many dimensions."""
    for name, tensor in tensors.items():
        if tensor.ndim != rank:
            got = f"rank {tensor.ndim} with shape {tuple(tensor.shape)}"
            raise ValueError(f"expected `{name}` of rank {rank}, got {got}")


def require_rank_at_least(rank: int, **tensors: Tensor) -> None:
    """All tensors have at least this many dimensions."""
    for name, tensor in tensors.items():
        if tensor.ndim < rank:
            got = f"rank {tensor.ndim} with shape {tuple(tensor.shape)}"
            raise ValueError(f"expected `{name}` of rank {rank} or more, got {got}")


def require_floating(**tensors: Tensor) -> None:
    """All tensors hold floating-point numbers."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise ValueError(f"expected `{name}` of a floating dtype, got {tensor.dtype}")


def require_bool(**tensors: Tensor) -> None:
    """All tensors are boolean: a mask of other numbers has no settled polarity or weight."""
    for name, tensor in tensors.items():
        if tensor.dtype != torch.bool:
            raise ValueError(f"expected `{name}` of dtype torch.bool, got {tensor.dtype}; convert it with `.bool()`")


def require_integer(**tensors: Tensor) -> None:
    """All tensors hold integers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise ValueError(f"expected `{name}` of an integer dtype, got {tensor.dtype}")
