"""What the target's frames hold at a backward pass: arrays by name, and the names of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

import numpy
import torch

from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS

DEPTH = 3
MOST_ELEMENTS = 1_000_000
MOST_THINGS = 2_000
NUMERIC = (int, float, numpy.ndarray, numpy.number, torch.Tensor)
RECORDER = __package__
PLAIN = (str, bytes, int, float, bool, type(None), type)


def held(frame: FrameType | None) -> tuple[dict[str, torch.Tensor], dict[int, str]]:
    """Copies of the arrays that are reachable by name from the target's frames, and the names of their parameters."""
    arrays: dict[str, torch.Tensor] = {}
    parameters: dict[int, str] = {}
    for name, thing in _things(frame):
        if isinstance(thing, torch.nn.Module):
            for inner, parameter in thing.named_parameters():
                parameters.setdefault(id(parameter), f"{name}.{inner}")
        elif isinstance(thing, torch.nn.Parameter):
            parameters.setdefault(id(thing), name)
        elif (array := _array(thing)) is not None:
            arrays.setdefault(name, array)
    return arrays, parameters


def _things(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """Locals, and what they hold, innermost frame first; a thing is met once."""
    met: set[int] = set()
    while frame is not None:
        if not frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
            yield from _inner("", frame.f_locals, DEPTH, met)
        frame = frame.f_back


def _inner(path: str, items: Mapping[Any, Any], depth: int, met: set[int]) -> Iterator[tuple[str, Any]]:
    for key, thing in list(items.items()):
        if id(thing) in met or isinstance(thing, PLAIN) or len(met) > MOST_THINGS or not isinstance(key, str):
            continue
        met.add(id(thing))
        name = f"{path}.{key}" if path else key
        yield name, thing
        fields = _fields(thing) if depth else {}
        yield from _inner(name, fields, depth - 1, met)


def _fields(thing: Any) -> Mapping[Any, Any]:
    """What an object or mapping of the target holds by name; modules of Python, arrays and networks hold nothing."""
    module = type(thing).__module__
    if (
        isinstance(thing, torch.Tensor | numpy.ndarray)
        or module in ("builtins", "types")
        or module.startswith(RECORDER)
    ):
        return thing if isinstance(thing, dict) else {}
    if isinstance(thing, Mapping):
        return dict(thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        return {each.name: getattr(thing, each.name, None) for each in dataclasses.fields(thing)}
    return getattr(thing, "__dict__", {})


def _array(thing: Any) -> torch.Tensor | None:
    """A copy of numbers along at least one axis."""
    if isinstance(thing, list):
        thing = _stacked(thing)
    if isinstance(thing, numpy.ndarray) and thing.dtype.kind in "fbiu":
        thing = torch.from_numpy(thing.copy())
    if not isinstance(thing, torch.Tensor) or thing.is_sparse or not 1 < thing.numel() <= MOST_ELEMENTS:
        return None
    return thing.detach().to("cpu", copy=True) if thing.dim() else None


def _stacked(items: list[Any]) -> Any:
    """A list of numbers, or of arrays of one shape, as one array; None where it is anything else."""
    if not items or not all(isinstance(item, NUMERIC) for item in items):
        return None
    try:
        return numpy.stack([item.detach().cpu().numpy() if isinstance(item, torch.Tensor) else item for item in items])
    except (ValueError, TypeError):
        return None
