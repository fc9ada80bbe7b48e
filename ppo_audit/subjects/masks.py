"""The mask of a recorded loss: what says which of its entries count, and in which polarity.

A candidate is a tensor of two values that selects or multiplies what the loss makes of the log-probs. Whether it is a
mask is measured (`polarity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from ppo_audit.recording.graph import Roles, operands, plain, producers
from ppo_audit.recording.trace import Op, Trace

SELECTIONS = {"where": 0, "masked_fill": 1, "getitem": 1, "masked_select": 1}
"""Operations that take a boolean mask, and as which argument."""

SAME_ENTRIES = frozenset(
    "to float double half bfloat16 bool int long type type_as detach clone contiguous cpu view reshape unsqueeze "
    "squeeze invert bitwise_not logical_not rsub".split()
)
"""Operations after which every entry still says of the same place whether it counts."""


def find_mask(trace: Trace, ops: Sequence[Op], log_prob: int, of_roles: Mapping[int, Roles]) -> int | None:
    """What looks like the mask of a loss, before its dtype and polarity were changed."""
    makers = producers(trace)
    reached = {log_prob}
    for op in ops:
        if not reached.intersection(op.inputs):
            continue
        reached.update(op.outputs)
        for number in _selectors(trace, op):
            if number not in reached and not of_roles.get(number) and _fits(trace, number, log_prob):
                return _source(trace, makers, number, log_prob)
    return None


def _selectors(trace: Trace, op: Op) -> list[int]:
    """The operands of one operation that may say which entries count."""
    numbers = [number for number in operands(op) if number is not None]
    name = plain(op.name)
    if name in ("mul", "multiply", "rmul"):
        return [number for number in numbers if not trace.tensors[number].requires_grad]
    place = SELECTIONS.get(name)
    given = operands(op)
    chosen = given[place] if place is not None and place < len(given) else None
    return [] if chosen is None or trace.tensors[chosen].dtype != torch.bool else [chosen]


def _fits(trace: Trace, number: int, log_prob: int) -> bool:
    """Whether a tensor has two values, both seen unless its dtype says it, and an entry for each log-prob or row."""
    tensor, like = trace.tensors[number], trace.tensors[log_prob]
    if tensor.dim() == 0 or tensor.numel() not in (like.numel(), like.shape[0]) or tensor.shape[0] != like.shape[0]:
        return False
    if tensor.dtype == torch.bool:
        return True
    return bool(((tensor == 0) | (tensor == 1)).all()) and 0 < int(tensor.sum()) < tensor.numel()


def _source(trace: Trace, makers: Mapping[int, Op], number: int, log_prob: int) -> int:
    while (op := makers.get(number)) is not None and plain(op.name) in SAME_ENTRIES and len(op.inputs) == 1:
        if not _fits(trace, op.inputs[0], log_prob):
            break
        number = op.inputs[0]
    return number
