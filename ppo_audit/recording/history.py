"""The part of a long recording that one loss is made of, found without walking through all the rest.

A rollout is thousands of operations before the first minibatch, and each minibatch needs a few dozen of them.
"""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ppo_audit.recording.graph import is_parameter, plain
from ppo_audit.recording.trace import NUMBER_READS, Op, Trace

ASSEMBLED = frozenset("setitem copy stack cat concat concatenate vstack hstack".split())
"""Operations that put data together of parts. What the parts of a batch were, before it was used, is its rollout."""
NEAR = 4
"""Operations between a value of the loss and a number that is read of it to decide something."""


@dataclass
class History:
    """A recording that grows, and where in it each value was made; what was indexed is not looked at again."""

    trace: Trace
    _made: dict[int, int] = field(default_factory=dict, repr=False)
    _earlier: dict[int, int] = field(default_factory=dict, repr=False)
    _last: dict[int, int] = field(default_factory=dict, repr=False)
    _ops: int = 0
    _values: int = 0

    def maker(self, number: int) -> Op | None:
        """The operation that made a value."""
        self._index()
        index = self._made.get(number)
        return None if index is None else self.trace.ops[index]

    def slice(self, total: int, start: int) -> Trace:
        """The operations from `start` on that a loss is made of, as a recording of its own, up to parameters.

        Data that was put together before the loss began is taken as it was given.
        """
        self._index()
        kept = self._behind(total, start, self._beginning(total, start))
        ops = self.trace.ops
        numbers = {total, *(number for index in kept for number in (*ops[index].inputs, *ops[index].outputs))}
        numbers.update([self._earlier[number] for number in numbers if number in self._earlier])
        return renumbered(self.trace, kept, numbers, self._decisions(numbers, kept[0] if kept else 0))

    def _decisions(self, numbers: Collection[int], start: int) -> dict[int, int]:
        """Single numbers that code read while the loss was made, beside it, and what of the loss each came of.

        A spread that is looked at before it divides is computed once more for that.
        """
        reads = self.trace.reads[bisect.bisect_left(self.trace.reads, start, key=lambda read: read.at) :]
        beside = [read.value for read in reads if read.name in NUMBER_READS and read.value not in numbers]
        found = {value: self._origin(value, numbers) for value in beside if self.trace.tensors[value].numel() == 1}
        return {value: origin for value, origin in found.items() if origin is not None}

    def _origin(self, number: int, numbers: Collection[int]) -> int | None:
        """The nearest value of the loss that a value was computed from."""
        for _ in range(NEAR):
            op = self.maker(number)
            if op is None or not op.inputs:
                return None
            inside = [each for each in op.inputs if each in numbers]
            if inside:
                return inside[0]
            number = op.inputs[0]
        return None

    def _index(self) -> None:
        """Take in what was recorded since the last call."""
        ops, tensors = self.trace.ops, self.trace.tensors
        for index in range(self._ops, len(ops)):
            for number in ops[index].outputs:
                self._made[number] = index
        for number in range(self._values, len(tensors)):
            identity = id(tensors[number])
            if identity in self._last:
                self._earlier[number] = self._last[identity]
            self._last[identity] = number
        self._ops, self._values = len(ops), len(tensors)

    def _beginning(self, total: int, start: int) -> int:
        """The first operation whose gradient the loss is made of."""
        first, pending, seen = len(self.trace.ops), [total], {total}
        while pending:
            index = self._place(pending.pop(), start)
            if index is None:
                continue
            first = min(first, index)
            live = [n for n in self.trace.ops[index].inputs if self.trace.tensors[n].requires_grad and n not in seen]
            seen.update(live)
            pending.extend(live)
        return first

    def _behind(self, total: int, start: int, beginning: int) -> list[int]:
        """The places of all operations that the loss is made of, in order, with what writes in place replaced."""
        kept: set[int] = set()
        pending = [total]
        while pending:
            index = self._place(pending.pop(), start)
            if index is None or index in kept:
                continue
            kept.add(index)
            op = self.trace.ops[index]
            if index < beginning and plain(op.name) in ASSEMBLED:
                continue
            pending.extend(op.inputs)
            if index >= beginning:
                pending.extend(self._earlier[number] for number in op.outputs if number in self._earlier)
        return sorted(kept)

    def _place(self, number: int, start: int) -> int | None:
        """Where a value was made; None for what is taken as given."""
        index = self._made.get(number)
        is_given = index is None or index < start or is_parameter(self.trace.tensors[number])
        return None if is_given else index


def since(trace: Trace, start: int) -> Trace:
    """The operations from the one with this index on."""
    places = range(start, len(trace.ops))
    return renumbered(trace, places, {number for op in trace.ops[start:] for number in (*op.inputs, *op.outputs)})


def renumbered(
    trace: Trace, places: Sequence[int], numbers: Collection[int], beside: Mapping[int, int] | None = None
) -> Trace:
    """Some of the operations as a recording of its own, their values numbered anew in the same order.

    What was read of a value `beside` them is kept as read of that of theirs which it came of.
    """
    of = beside or {}
    kept = sorted(numbers)
    fresh = {number: index for index, number in enumerate(kept)}
    moved = lambda old: tuple([fresh[number] for number in old])
    tensors = [trace.tensors[number] for number in kept]
    pairs = zip(tensors, kept, strict=True)
    return Trace(
        [_moved(op, moved(op.inputs), moved(op.outputs)) for op in map(trace.ops.__getitem__, places)],
        [
            read._replace(value=fresh[of.get(read.value, read.value)], at=bisect.bisect_left(places, read.at))
            for read in trace.reads
            if of.get(read.value, read.value) in fresh
        ],
        tensors,
        {id(tensor): fresh[number] for tensor, number in pairs if trace.find(tensor) == number},
    )


def _moved(op: Op, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> Op:
    """An operation on values of other numbers; `dataclasses.replace` takes ten times as long."""
    return Op(op.func, op.name, op.args, op.kwargs, inputs, outputs, op.key, op.site, op.via, op.grad_enabled)
