"""The roles of recorded tensors: where to cut a trainer's loss, from structure, landmarks and data.

The pair under `exp` is the new and the old log-prob, and the live one of them is new. What multiplies the ratio is the
advantage. What a live prediction is compared with is its target, or, inside a clamp, its old value.
`Distribution.entropy` marks the entropy. Tensors with the same content play the same role: `b_returns[mb_inds]` may be
written twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.graph import backward_slice, operands, plain, producers
from ppo_audit.recording.session import Capture
from ppo_audit.recording.trace import Op, Trace
from ppo_audit.subjects.boundary import log_ratios

SHAPES = frozenset("view reshape flatten squeeze unsqueeze view_as reshape_as".split())
ELEMENTWISE = SHAPES | frozenset(
    "sub add div mul neg truediv to float double detach clamp rsub radd rmul expand".split()
)
COMPARISONS = frozenset("sub rsub subtract mse_loss smooth_l1_loss huber_loss l1_loss".split())
CLAMPS = frozenset("clamp clip".split())


@dataclass(frozen=True)
class Boundary:
    """Value numbers of each role, the first one naming its shape, and the evidence in words."""

    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def find_boundary(capture: Capture) -> Boundary:
    """The roles of one captured loss; raises UsageError where it has no probability ratio."""
    trace = capture.trace
    total = trace.value_of(capture.loss)
    ops = backward_slice(trace, [total])
    numbers = dict(_log_probs(trace, ops))
    if "log_prob" not in numbers:
        raise UsageError("no probability ratio was found in the recorded loss: no exp of a difference of log-probs.")
    numbers |= _advantage(trace, ops, numbers["log_prob"])
    numbers |= _entropy(trace, ops)
    outside = backward_slice(trace, [total], stop=(numbers["log_prob"], numbers.get("entropy", -1)))
    numbers |= _values(trace, outside, numbers)
    grouped = {role: _twins(trace, outside, number) for role, number in numbers.items()}
    return Boundary(grouped, {role: _reason(role, capture, number) for role, number in numbers.items()})


def _live(trace: Trace, number: int | None) -> bool:
    return number is not None and trace.tensors[number].requires_grad


def _log_probs(trace: Trace, ops: Sequence[Op]) -> Iterator[tuple[str, int]]:
    """The operands under `exp`: live minus fixed is new against old; fixed minus live is the reference."""
    live = {number: frozenset(("live",)) for op in ops for number in op.inputs if _live(trace, number)}
    for _, first, second in log_ratios(ops, live):
        if _live(trace, first) and not _live(trace, second):
            yield "log_prob", first
            yield "old_log_prob", second
        elif _live(trace, second) and not _live(trace, first):
            yield "ref_log_prob", first


def _advantage(trace: Trace, ops: Sequence[Op], log_prob: int) -> dict[str, int]:
    """What multiplies the ratio, followed back to the tensor that came out of the buffer."""
    makers, downstream = producers(trace), _downstream(ops, log_prob)
    for op in ops:
        factors = [number for number in operands(op)[:2] if number is not None]
        data = [number for number in factors if not _live(trace, number) and trace.tensors[number].numel() > 1]
        if plain(op.name) in ("mul", "multiply") and len(factors) == 2 and len(data) == 1 and downstream & set(factors):
            return {"advantage": _origin(trace, makers, data[0])}
    return {}


def _downstream(ops: Sequence[Op], start: int) -> set[int]:
    reached = {start}
    for op in ops:
        if reached.intersection(op.inputs):
            reached.update(op.outputs)
    return reached


def _origin(trace: Trace, makers: dict[int, Op], number: int) -> int:
    """Back through element-wise operations with one full-sized operand, to a tensor that was selected or given."""
    size = trace.tensors[number].numel()
    while (op := makers.get(number)) is not None and plain(op.name) in ELEMENTWISE:
        full = [n for n in dict.fromkeys(op.inputs) if trace.tensors[n].numel() == size]
        if len(full) != 1:
            return number
        number = full[0]
    return number


def _entropy(trace: Trace, ops: Sequence[Op]) -> dict[str, int]:
    """The output of a distribution's `entropy`, summed over its own dimensions where the trainer does so."""
    calls = [op for op in ops if op.via == "entropy" and _live(trace, op.outputs[0])]
    if not calls:
        return {}
    number = calls[-1].outputs[0]
    users = [op for op in ops if number in op.inputs]
    while len(users) == 1 and plain(users[0].name) in SHAPES | {"sum"} and trace.tensors[users[0].outputs[0]].dim() > 0:
        number = users[0].outputs[0]
        users = [op for op in ops if number in op.inputs]
    return {"entropy": number}


def _values(trace: Trace, ops: Sequence[Op], known: dict[str, int]) -> dict[str, int]:
    """The live prediction that is compared with data, its target, and its old value, which a clamp follows."""
    makers, found = producers(trace), dict[str, int]()
    taken = set(known.values())
    for op in ops:
        pair = [number for number in operands(op)[:2] if number is not None]
        live = [number for number in pair if _live(trace, number)]
        if plain(op.name) not in COMPARISONS or len(pair) != 2 or len(live) != 1 or taken & set(pair):
            continue
        data = pair[1 - pair.index(live[0])]
        if trace.tensors[data].numel() < 2:
            continue
        base = _base(makers, live[0])
        value = found.setdefault("value", base)
        if base == value or live[0] in _downstream(ops, value):
            is_clamped = any(plain(user.name) in CLAMPS for user in ops if op.outputs[0] in user.inputs)
            found.setdefault("old_value" if is_clamped else "return_", data)
    return found


def _base(makers: dict[int, Op], number: int) -> int:
    """The tensor behind views of it."""
    while (op := makers.get(number)) is not None and plain(op.name) in SHAPES:
        number = op.inputs[0]
    return number


def _twins(trace: Trace, ops: Collection[Op], number: int) -> tuple[int, ...]:
    """The number and all others in the slice with the same fixed content."""
    tensor = trace.tensors[number]
    if tensor.requires_grad:
        return (number,)
    candidates = dict.fromkeys(n for op in ops for n in op.inputs)
    same = [n for n in candidates if n != number and _equal(trace.tensors[n], tensor)]
    return (number, *same)


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    return (
        first.shape == second.shape
        and first.dtype == second.dtype
        and not first.requires_grad
        and torch.equal(first, second)
    )


REASONS = {
    "log_prob": "the live operand of the difference under `exp`",
    "old_log_prob": "the fixed operand of the difference under `exp`",
    "ref_log_prob": "the fixed first operand of a difference under `exp`",
    "advantage": "what multiplies the ratio, before the loss changes it",
    "entropy": "the result of the distribution's `entropy()`",
    "value": "the live prediction that is compared with data",
    "return_": "what the value is compared with",
    "old_value": "what the value is clamped around",
}


def _reason(role: str, capture: Capture, number: int) -> str:
    name = capture.names.get(id(capture.trace.tensors[number]))
    return f"`{name}`: {REASONS[role]}" if name else REASONS[role]
