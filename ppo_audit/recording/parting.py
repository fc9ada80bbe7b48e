"""Two recordings of one target side by side, and the first operation at which something begins: where to point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch

from ppo_audit.recording.graph import NONE, Roles, backward_slice, plain, producers
from ppo_audit.recording.trace import Op, Trace

ELEMENTWISE = frozenset(
    "add radd iadd sub rsub isub subtract mul rmul imul multiply div truediv true_divide divide min max minimum "
    "maximum fmin fmax where pow mse_loss smooth_l1_loss huber_loss l1_loss".split()
)
QUOTIENTS = frozenset("div divide truediv true_divide itruediv".split())
Faithful = Callable[[torch.Tensor, torch.Tensor], bool]


def parting(first: Trace, second: Trace, ends: tuple[int, int], faithful: Faithful) -> Op | None:
    """The first operation whose inputs correspond in both recordings while an output does not; None if there is none.

    Only operations that `ends`, the two losses, depend on are compared: what is computed for a log does not count.
    """
    others = {op.key: op for op in backward_slice(second, ends[1:])}
    for op in backward_slice(first, ends[:1]):
        other = others.get(op.key)
        if other is None:
            return op
        if _agree(op.inputs, other.inputs, first, second, faithful) and not _agree(
            op.outputs, other.outputs, first, second, faithful
        ):
            return op
    return None


def mixing(first: Trace, second: Trace, ends: tuple[int, int], faithful: Faithful, rows: int) -> Op | None:
    """Where rows are mixed: the parting, or the reduction of all rows whose result is what parts them."""
    op, others, makers = parting(first, second, ends, faithful), {op.key: op for op in second.ops}, producers(first)
    while op is not None and op.key in others:
        pairs = zip(op.inputs, others[op.key].inputs, strict=False)
        whole = [a for a, b in pairs if len(first.tensors[a].flatten()) < rows and not _same(a, b, first, second)]
        if not whole or whole[0] not in makers:
            return op
        op = makers[whole[0]]
    return op


def _same(mine: int, yours: int, first: Trace, second: Trace) -> bool:
    return same(first.tensors[mine].detach().cpu(), second.tensors[yours].detach().cpu())


def _agree(mine: tuple[int, ...], yours: tuple[int, ...], first: Trace, second: Trace, faithful: Faithful) -> bool:
    pairs = (
        (first.tensors[a].detach().cpu(), second.tensors[b].detach().cpu()) for a, b in zip(mine, yours, strict=False)
    )
    return all(faithful(a, b) for a, b in pairs)


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Equal bit for bit; NaN equals NaN."""
    return first.shape == second.shape and torch.equal(first.nan_to_num(7.25), second.nan_to_num(7.25))


def turned_non_finite(trace: Trace, total: int) -> Op | None:
    """Where NaN or infinity is first made of finite inputs: the operation, or the maker of the zero it divides by."""
    for op in backward_slice(trace, [total]):
        outputs = [trace.tensors[number] for number in op.outputs]
        inputs = [trace.tensors[number] for number in op.inputs]
        if not all(map(_is_finite, outputs)) and all(map(_is_finite, inputs)):
            return _zero_maker(trace, op) or op
    return None


def _zero_maker(trace: Trace, op: Op) -> Op | None:
    if plain(op.name) not in QUOTIENTS or len(op.inputs) < 2 or bool((trace.tensors[op.inputs[1]] != 0).all()):
        return None
    return producers(trace).get(op.inputs[1])


def turned_gradient(trace: Trace, total: int) -> Op | None:
    """The operation behind which gradients are finite and in front of which they are not."""
    ops = [op for op in backward_slice(trace, [total]) if trace.tensors[op.outputs[0]].requires_grad]
    numbers = list(dict.fromkeys(number for op in ops for number in (*op.inputs, *op.outputs)))
    live = [number for number in numbers if trace.tensors[number].requires_grad]
    found = torch.autograd.grad(
        trace.tensors[total], [trace.tensors[n] for n in live], allow_unused=True, retain_graph=True
    )
    fine = {number: gradient is None or _is_finite(gradient) for number, gradient in zip(live, found, strict=True)}
    return next((op for op in reversed(ops) if _all(fine, op.outputs) and not _all(fine, op.inputs)), None)


def _all(fine: Mapping[int, bool], numbers: tuple[int, ...]) -> bool:
    return all(fine.get(number, True) for number in numbers)


def _is_finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def written(trace: Trace, tensor: torch.Tensor) -> Op | None:
    """The first operation that writes into a tensor which was there before."""
    return next((op for op in trace.ops for number in op.outputs if trace.tensors[number] is tensor), None)


def outer_products(trace: Trace, roles: Mapping[int, Roles]) -> Iterator[Op]:
    """Element-wise operations that pair every row with every other row: (N,) against (N, 1) gives (N, N).

    Operands of one rank, (N, K, 1) against (N, 1, K), are paired on purpose; (N, 1) against (N, T) pairs nothing.
    """
    for op in trace.ops:
        operands = [
            number for number in dict.fromkeys(op.inputs) if trace.tensors[number].dim() and roles.get(number, NONE)
        ]
        shapes = [trace.tensors[number].shape for number in operands]
        if plain(op.name) in ELEMENTWISE and len(shapes) > 1 and _is_outer(shapes):
            yield op


def column_maker(trace: Trace, roles: Mapping[int, Roles], op: Op) -> Op:
    """Where the (N, 1) of an outer product was made: the operation that gave it this shape, else the product."""
    makers = producers(trace)
    longest = max(len(trace.tensors[number].shape) for number in op.inputs)
    number = next(number for number in op.inputs if len(trace.tensors[number].shape) == longest)
    shape, found = trace.tensors[number].shape, op
    while number in makers:
        found = makers[number]
        kept = [n for n in found.inputs if trace.tensors[n].shape == shape and roles.get(n)]
        if not kept:
            return found
        number = kept[0]
    return op


def _is_outer(shapes: list[torch.Size]) -> bool:
    if len({len(shape) for shape in shapes}) == 1:
        return False
    whole = torch.broadcast_shapes(*shapes)
    return any(whole.count(size) > max(shape.count(size) for shape in shapes) for size in set(whole) if size > 1)
