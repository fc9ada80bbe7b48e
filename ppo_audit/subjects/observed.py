"""A minibatch as the loop uses it: its samples by content, the roles' values, the parameters behind each role."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.graph import NOISE, backward_slice, parameters_in, parameters_of, plain
from ppo_audit.recording.loop import Seen
from ppo_audit.recording.session import Capture
from ppo_audit.recording.trace import Op, Trace
from ppo_audit.subjects.evidence import MOVES, Named, find_boundary

MADE_BY_NETWORKS = ("log_prob", "value")
ACTS = ("sample", "rsample")


def observed(capture: Capture, named: Named = ()) -> Seen | None:
    """What is to be known of one minibatch; None where its loss is neither a policy's nor a critic's."""
    try:
        boundary = find_boundary(capture, named)
    except UsageError:
        return None
    trace = capture.trace
    numbers = {role: found[0] for role, found in boundary.numbers.items()}
    network = next(numbers[role] for role in MADE_BY_NETWORKS if role in numbers)
    live = {role: trace.tensors[number] for role, number in numbers.items() if trace.tensors[number].requires_grad}
    return Seen(
        samples_of(trace, network),
        {role: trace.tensors[number].detach().clone() for role, number in numbers.items()},
        {role: frozenset(map(id, parameters_of(tensor))) for role, tensor in live.items()},
        {"log_prob", "old_log_prob"} <= numbers.keys()
        and _is_noisy(trace, numbers["log_prob"], numbers["old_log_prob"]),
    )


def _is_noisy(trace: Trace, new: int, old: int) -> bool:
    """Whether the policy adds random numbers of its own to what it computes, after the old log-probs were there.

    An action that is drawn anew is no such noise: its log-prob is of another action.
    """
    parameters = parameters_in(trace)
    place = {id(op): index for index, op in enumerate(trace.ops)}
    made = [op for op in backward_slice(trace, [old], stop=parameters) if plain(op.name) not in MOVES]
    begun = max((place[id(op)] for op in made), default=-1)
    return any(
        plain(op.name) in NOISE and op.via not in ACTS and place[id(op)] > begun
        for op in backward_slice(trace, [new], stop=parameters)
    )


def samples_of(trace: Trace, number: int) -> tuple[bytes, ...]:
    """A key of each row of a network's output, or of each step of each sequence: the content of what it was given."""
    shape = trace.tensors[number].shape
    ops = backward_slice(trace, [number], stop=parameters_in(trace))
    data = _given(trace, ops, shape[0] if shape else 0)
    if not data or _is_stack_of_rows(trace, ops, shape[0]):
        return ()
    in_time = len(shape) > 1 and shape[1] > 1 and all(tensor.shape[:2] == shape[:2] for tensor in data)
    rows = shape[0] * shape[1] if in_time else shape[0]
    content = torch.cat([_bytes(tensor, rows) for tensor in data], dim=1).numpy()
    return tuple(hashlib.blake2b(row.tobytes(), digest_size=12).digest() for row in content)


def _is_stack_of_rows(trace: Trace, ops: Sequence[Op], rows: int) -> bool:
    """Whether outputs for as many rows were stacked, one step on another: the first axis is then that of time."""
    stacks = (op for op in ops if plain(op.name) == "stack" and trace.tensors[op.outputs[0]].requires_grad)
    places = ((op, op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else 0)) for op in stacks)
    return any(
        place in (0, -trace.tensors[op.outputs[0]].dim()) and trace.tensors[op.inputs[0]].shape[:1] == (rows,)
        for op, place in places
    )


def _bytes(tensor: torch.Tensor, rows: int) -> torch.Tensor:
    """The memory of each row."""
    whole = torch.empty(tensor.shape, dtype=tensor.dtype)
    whole.copy_(tensor.detach())
    return whole.reshape(rows, -1).view(torch.uint8) if whole[0].numel() else torch.empty(rows, 0, dtype=torch.uint8)


def _given(trace: Trace, ops: Sequence[Op], rows: int) -> list[torch.Tensor]:
    """The constants, one row a sample, that meet what is trained."""
    live = [op for op in ops if any(trace.tensors[number].requires_grad for number in op.outputs)]
    numbers = dict.fromkeys(number for op in live for number in op.inputs)
    tensors = [trace.tensors[number] for number in numbers if not trace.tensors[number].requires_grad]
    return [tensor for tensor in tensors if rows and tensor.dim() and len(tensor) == rows]
