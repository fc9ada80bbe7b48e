"""Reading a trace: which roles a value depends on, the slice of a loss, and the value all of whose paths meet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from ppo_audit.recording.trace import Op, Trace

Roles = frozenset[str]
NONE: Roles = frozenset()
LIKE = frozenset("type_as view_as expand_as reshape_as".split())
"""Operations that take a shape or dtype from their second operand, and nothing else."""
SHAPE_ONLY = frozenset("zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty".split())
"""Operations that take only shape and dtype from their operand."""


NOISE = frozenset("rand rand_like randn randn_like uniform normal bernoulli".split())
"""Operations that draw numbers."""
DRAWS = NOISE | frozenset("multinomial poisson randint randperm exponential".split())
"""The same, and those that draw actions or rows."""


def plain(name: str) -> str:
    """`__rsub__`, `sub_` and `sub` are one operation for whoever reads a trace."""
    return name.strip("_")


def operands(op: Op) -> tuple[int | None, ...]:
    """The value number of each positional argument; None for one that is no tensor."""
    numbers = iter(op.inputs)
    return tuple(next(numbers) if isinstance(arg, torch.Tensor) else None for arg in op.args)


def clamp_bounds(op: Op) -> tuple[float | None, float | None]:
    """The plain numbers of a recorded clamp."""
    name, rest = plain(op.name), list(op.args[1:])
    low = op.kwargs.get("min", rest.pop(0) if rest and name != "clamp_max" else None)
    high = op.kwargs.get("max", rest.pop(0) if rest else None)
    return number_of(low), number_of(high)


def number_of(bound: object) -> float | None:
    """A bound that is a number, or a constant tensor that holds one."""
    if isinstance(bound, torch.Tensor) and bound.dim() == 0 and not bound.requires_grad:
        return float(bound)
    return float(bound) if isinstance(bound, int | float) else None


def substitute(op: Op, replacements: Mapping[int, torch.Tensor]) -> Any:
    """Call the operation again with some of its input values (by number) replaced."""
    leaves, spec = tree_flatten((op.args, op.kwargs))
    numbers = iter(op.inputs)
    fresh = [replacements.get(next(numbers), leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    args, kwargs = tree_unflatten(fresh, spec)
    return op.func(*args, **kwargs)


def is_parameter(tensor: torch.Tensor) -> bool:
    """A leaf of autograd, or a view of parameters that was overwritten, which autograd does not even let us ask."""
    try:
        return tensor.requires_grad and tensor.is_leaf
    except RuntimeError:
        return True


def parameters_in(trace: Trace) -> list[int]:
    """The values that are parameters: how they came to be what they are is no part of a loss."""
    return [number for number, tensor in enumerate(trace.tensors) if is_parameter(tensor)]


def producers(trace: Trace) -> dict[int, Op]:
    return {number: op for op in trace.ops for number in op.outputs}


def makes(op: Op) -> Sequence[int]:
    """The inputs whose numbers an operation works on."""
    return op.inputs[:1] if op.name in LIKE else op.inputs


def dependencies(trace: Trace, leaves: Mapping[str, int]) -> dict[int, Roles]:
    """For every value, the roles among `leaves` (role -> value number) that it is computed from, detached or not."""
    found: dict[int, Roles] = {number: frozenset((role,)) for role, number in leaves.items()}
    for op in trace.ops:
        roles = NONE if op.name in SHAPE_ONLY else NONE.union(*(found.get(number, NONE) for number in makes(op)))
        for number in op.outputs:
            found.setdefault(number, roles)
    return found


def backward_slice(trace: Trace, ends: Iterable[int], stop: Collection[int] = ()) -> list[Op]:
    """The operations that `ends` depend on, in order; the walk stops at the values in `stop`."""
    needed, kept = set(ends), []
    for op in reversed(trace.ops):
        if any(number in needed and number not in stop for number in op.outputs):
            kept.append(op)
            needed.update(op.inputs)
    return kept[::-1]


def dominator(trace: Trace, sources: Collection[int], ends: Collection[int], region: Sequence[Op]) -> int | None:
    """The last floating-point value through which every path of `region` from `sources` to `ends` runs, or None."""
    cuts = bottlenecks(trace, sources, ends, region)
    return cuts[-1] if cuts else None


def bottlenecks(trace: Trace, sources: Collection[int], ends: Collection[int], region: Sequence[Op]) -> list[int]:
    """The floating-point values through each of which every path of `region` from `sources` to `ends` runs."""
    numbers = [op.outputs[0] for op in region if op.outputs]
    candidates = [number for number in numbers if trace.tensors[number].is_floating_point()]
    return [number for number in candidates if not _reaches(sources, ends, region, blocked=number)]


def _reaches(sources: Collection[int], ends: Collection[int], region: Sequence[Op], blocked: int) -> bool:
    reached = set(sources)
    for op in region:
        if not reached.isdisjoint(op.inputs):
            reached.update(number for number in op.outputs if number != blocked)
    return not reached.isdisjoint(ends)


def parameters_of(loss: torch.Tensor) -> list[torch.Tensor]:
    """The leaves of the autograd graph, in order of discovery."""
    found: dict[int, torch.Tensor] = {}
    stack, seen = [loss.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found[id(variable)] = variable
        stack.extend(parent for parent, _ in node.next_functions)
    return list(found.values())
