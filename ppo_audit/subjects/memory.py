"""What a loss module keeps from call to call: buffers that one call changes although its inputs say nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from ppo_audit.recording.trace import Op, Trace, is_in_place
from ppo_audit.subjects.replayed import Program


@dataclass(frozen=True)
class Memory:
    """A buffer before and after one call."""

    name: str
    before: torch.Tensor
    after: torch.Tensor
    tensor: torch.Tensor = field(repr=False)


class Keeper:
    """The buffers of the module that a function belongs to, as they were before a call.

    They are put back by way of numpy, which the recorder does not see: the recording must hold what the call read.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        owner = getattr(function, "__self__", None)
        buffers = dict(owner.named_buffers()) if isinstance(owner, torch.nn.Module) else {}
        self._buffers = {name: buffer for name, buffer in buffers.items() if buffer.device.type == "cpu"}
        self._views = {name: buffer.detach().numpy() for name, buffer in self._buffers.items()}
        self._before = {name: view.copy() for name, view in self._views.items()}

    def put_back(self) -> tuple[Memory, ...]:
        """What the call changed in place; every buffer is as before afterwards."""
        changed = []
        for name, view in self._views.items():
            before, after = self._before[name], view.copy()
            if before.tobytes() != after.tobytes():
                tensors = torch.from_numpy(before.copy()), torch.from_numpy(after)
                changed.append(Memory(name, *tensors, self._buffers[name]))
                view[...] = before
        return tuple(changed)


def read_by(program: Program, memories: tuple[Memory, ...]) -> tuple[Memory, ...]:
    """Those that the loss itself reads, downstream of its roles; a network's running statistics are not."""
    read = {_address(program.trace.tensors[number]) for op in program.ops for number in op.inputs}
    return tuple(memory for memory in memories if _address(memory.tensor) in read)


def writer(trace: Trace, memory: Memory) -> Op | None:
    """The operation that wrote the buffer, through whatever view."""
    writes = (op for op in trace.ops if is_in_place(op.name))
    wanted = _address(memory.tensor)
    return next((op for op in writes if any(_address(trace.tensors[n]) == wanted for n in op.outputs)), None)


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
