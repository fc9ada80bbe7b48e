"""Which known tensors share memory with what is written: a rollout writes thousands of rows, each under its view."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any

import torch

Region = tuple[int, int, int]
"""A storage, and the first byte and the one after the last of it that a tensor may touch."""

OWNERS = 2
"""Who has the storage of a tensor that nobody shares: the tensor, and whoever asks."""


def region_of(tensor: torch.Tensor) -> Region | None:
    """Where a tensor's numbers lie; None for one that stands for many, as inside `vmap`."""
    try:
        pointer = tensor.untyped_storage().data_ptr()
        steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    except (NotImplementedError, RuntimeError):
        return None
    first = int(tensor.storage_offset()) * tensor.itemsize
    return pointer, first, first + int(steps + 1) * tensor.itemsize


def is_alone(tensor: torch.Tensor) -> bool:
    """Whether no other tensor can show what is written into this one: it was just made, and is filled in place."""
    try:
        storage = tensor.untyped_storage()
    except NotImplementedError:
        return True
    # A storage on memory that was made elsewhere, as by numpy, may be one of several, and cannot be resized.
    return storage.resizable() and torch._C._storage_Use_Count(storage._cdata) == OWNERS


def row_of(tensor: torch.Tensor, index: Any) -> Region | None:
    """Where a write by index goes; all of the tensor but for a plain number."""
    whole = region_of(tensor)
    if whole is None or type(index) is not int or not tensor.dim() or not -len(tensor) <= index < len(tensor):
        return whole
    return region_of(tensor.select(0, index))


class Overlaps:
    """Tensors by where they lie, as far as asked for.

    Those of one extent are sorted by their beginning; there are few extents.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, list[torch.Tensor]] = {}
        self._starts: dict[tuple[int, int], list[int]] = {}
        self._extents: dict[int, set[int]] = {}
        self._lying: dict[Region, dict[int, torch.Tensor]] = {}

    def add(self, tensor: torch.Tensor) -> None:
        try:
            self._waiting.setdefault(tensor.untyped_storage().data_ptr(), []).append(tensor)
        except NotImplementedError:  # it stands for many
            return

    def _place(self, tensor: torch.Tensor) -> None:
        region = region_of(tensor)
        if region is None:
            return
        pointer, first, end = region
        if region not in self._lying:
            self._extents.setdefault(pointer, set()).add(end - first)
            bisect.insort(self._starts.setdefault((pointer, end - first), []), first)
        self._lying.setdefault(region, {})[id(tensor)] = tensor

    def with_part_of(self, region: Region) -> Iterator[torch.Tensor]:
        """The tensors that touch one of these bytes, as far as first and last one tell."""
        pointer, first, end = region
        for tensor in self._waiting.pop(pointer, ()):
            self._place(tensor)
        for extent in tuple(self._extents.get(pointer, ())):
            starts = self._starts[pointer, extent]
            for start in starts[bisect.bisect_right(starts, first - extent) : bisect.bisect_left(starts, end)]:
                yield from tuple(self._lying[pointer, start, start + extent].values())
