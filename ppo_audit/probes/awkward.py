"""Old and new log-prob of one sample, both run again where the network gives what no recorded sample came to.

A side is what was recorded between the network's last layers, the draw of the action, and a log-prob. The side of the
rollout makes the action of an awkward draw; the side of the update is given that action, as the buffer would give it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import EllipsisType

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.probes.loop import MOVES, ends, uses
from ppo_audit.recording.graph import DRAWS, backward_slice, parameters_in, plain, substitute
from ppo_audit.recording.loop import Loop
from ppo_audit.recording.trace import Op, Trace, is_in_place
from ppo_audit.subjects.functionals import LAYERS

OUTPUTS = (0.0, 2.0, -2.0, 4.0, -4.0, 5.0, -5.0)
"""What the largest output of a layer becomes: none at all, and more than a fresh network's."""
TAILS = (1.0, 3.0)
"""How far out the noise of the action lies, as multiples of what was drawn."""
NEAR_THE_END = 1e-4
"""What was squashed this near to an end cannot be turned back exactly, on whichever side."""
SQUASHING = frozenset(("tanh", "sigmoid"))
LEAST_CHOICE = -15.0
"""Probabilities below this logarithm are held off zero by `torch.distributions` itself, on some ways to them."""
ALIKE = 1e-4
MOST_ENDS, MOST_NUMBERS = 12, 256
"""Values of the rollout that are tried as its log-prob, and how many numbers one has."""
Values = dict[int, torch.Tensor]


@dataclass(frozen=True)
class Side:
    """The operations from the network's last layers and the draws to a log-prob, and the row of the sample."""

    trace: Trace = field(repr=False)
    ops: tuple[Op, ...] = field(repr=False)
    heads: tuple[int, ...]
    draws: tuple[int, ...]
    end: int
    row: int | EllipsisType = ...

    def numbers(self, number: int) -> torch.Tensor:
        """The sample's own numbers in a recorded value."""
        return self.trace.tensors[number].detach()[self.row].flatten()

    def with_row(self, number: int, row: torch.Tensor) -> torch.Tensor:
        """A recorded value with the sample's numbers replaced."""
        value = self.trace.tensors[number].detach().clone()
        value = value.double() if value.is_floating_point() else value
        value[self.row] = row.reshape(value[self.row].shape).to(value.dtype)
        return value

    def given(self) -> list[int]:
        """The values that it reads and does not make."""
        made = {number for op in self.ops for number in op.outputs}
        return list(dict.fromkeys(n for op in self.ops for n in op.inputs if n not in made))

    def drawn(self) -> list[int]:
        """The draws, and all that is made of them."""
        found = dict.fromkeys(self.draws)
        for op in self.ops:
            if not found.keys().isdisjoint(op.inputs):
                found |= dict.fromkeys(op.outputs)
        return list(found)

    def run(self, replaced: Mapping[int, torch.Tensor]) -> Values:
        """All values, in double precision, so that no difference is one of rounding."""
        data = {number: self.trace.tensors[number].detach() for number in self.given()}
        known = {n: x.double() if x.is_floating_point() else x for n, x in data.items()} | dict(replaced)
        with torch.no_grad():
            for op in self.ops:
                out = substitute(op, known)
                made = [out] if isinstance(out, torch.Tensor) else [x for x in out if isinstance(x, torch.Tensor)]
                known |= dict(zip(op.outputs, made, strict=False))
        return known

    def is_squashed(self, values: Values) -> bool:
        """Whether the sample came near the end of a squashing function."""
        ends = [values[op.outputs[0]][self.row] for op in self.ops if plain(op.name) in SQUASHING]
        return any(bool((1 - end.abs() < NEAR_THE_END).any()) for end in ends if end.numel())


@dataclass(frozen=True)
class Sample:
    """What the two sides gave for what the last layers may give, and an action drawn from that."""

    outputs: torch.Tensor
    action: torch.Tensor
    new: float
    old: float

    def agrees(self, slack: float) -> bool:
        return abs(self.new - self.old) <= slack * (1 + 1e-3 * abs(self.old))


def awkward_samples(loop: Loop) -> list[Sample]:
    """Both log-probs of samples that were not recorded; empty where the two sides cannot be run again."""
    try:
        new, old = sides_at_one_sample(loop)
        actions = _actions(new, old)
        first, *others = (_sample(new, old, actions, *variant) for variant in _variants(old))
    except (NotApplicable, RuntimeError, TypeError, ValueError, IndexError, KeyError):  # sizes stand in the way
        return []
    is_proven = first is not None and first.agrees(ALIKE)
    return [sample for sample in others if sample is not None] if is_proven else []


def sides_at_one_sample(loop: Loop) -> tuple[Side, Side]:
    """The side of the update and that of the rollout; raises NotApplicable where no sample is seen on both."""
    new, old = ends(loop)
    if new is None:
        raise NotApplicable("the log-prob was made where nothing was recorded")
    mine = _side(loop.trace, new)
    stored = uses(loop)[0].roles["old_log_prob"]
    for end in itertools.islice(itertools.chain([] if old is None else [old], _holding(loop.trace, stored)), MOST_ENDS):
        with contextlib.suppress(NotApplicable):
            return _at_one_sample(mine, _side(loop.trace, end))
    raise NotApplicable("no sample of the minibatch is among the recorded draws")


def _holding(trace: Trace, stored: torch.Tensor) -> Iterator[int]:
    """The values of the rollout that hold one of the stored numbers, by way of numpy or of a buffer."""
    wanted = stored.detach().flatten()
    for number in (op.outputs[0] for op in trace.ops):
        made = trace.tensors[number]
        is_small = 0 < made.numel() <= MOST_NUMBERS and made.dtype == wanted.dtype and not made.requires_grad
        if is_small and bool(torch.isin(made[made != 0], wanted).any()):
            yield number


def _side(trace: Trace, end: int) -> Side:
    """What leads to a log-prob; raises NotApplicable where it cannot be run again by itself."""
    data = _data_of(trace) if trace.tensors[end].requires_grad else ()
    drawn = [n for op in trace.ops if plain(op.name) in DRAWS for n in op.outputs]
    layers = [n for op in trace.ops if plain(op.name) in LAYERS for n in op.outputs]
    ops = backward_slice(trace, [end], stop=[*drawn, *layers, *parameters_in(trace), *data])
    if any(is_in_place(op.name) for op in ops):
        raise NotApplicable("it writes in place")
    side = Side(trace, tuple(ops), (), (), end)
    given = side.given()
    return replace(side, heads=tuple(n for n in given if n in layers), draws=tuple(n for n in given if n in drawn))


def _data_of(trace: Trace) -> set[int]:
    """What was taken out of a buffer; what the update makes of it is its own doing."""
    moved = (op for op in trace.ops if plain(op.name) in MOVES)
    return {n for op in moved for n in op.outputs if not trace.tensors[n].requires_grad}


def _at_one_sample(new: Side, old: Side) -> tuple[Side, Side]:
    """Both sides at a sample for which the last layers and the log-prob were the same."""
    if not new.heads or len(new.heads) != len(old.heads) or not old.draws:
        raise NotApplicable("the two log-probs are not made of the same layers and of a draw")
    for mine, theirs in itertools.product(_rows(new), _rows(old)):
        one, other = replace(new, row=mine), replace(old, row=theirs)
        pairs = zip((*new.heads, new.end), (*old.heads, old.end), strict=True)
        if all(_alike(one.numbers(x), other.numbers(y)) for x, y in pairs):
            return one, other
    raise NotApplicable("no sample of the minibatch is among the recorded ones")


def _rows(side: Side) -> list[int | EllipsisType]:
    shape = side.trace.tensors[side.end].shape
    return list(range(shape[0])) if shape else [...]


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=ALIKE, atol=ALIKE)


def _actions(new: Side, old: Side) -> dict[int, int]:
    """What the update is given that the rollout drew or made of a draw: the last value that is the same."""
    rows = new.trace.tensors[new.end].shape[:1]
    data = [n for n in new.given() if n not in new.heads and not new.trace.tensors[n].requires_grad]
    made = [n for n in old.drawn() if old.trace.tensors[n].shape[:1] == old.trace.tensors[old.end].shape[:1]]
    found = {
        number: [n for n in made if _alike(new.numbers(number), old.numbers(n))]
        for number in data
        if new.trace.tensors[number].shape[:1] == rows
    }
    beside = [number for number, same in found.items() if not same]
    if len(beside) == len(found) or not all(_is_common(new, old, number) for number in beside):
        raise NotApplicable("what the update is given is not what was drawn")
    return {number: same[-1] for number, same in found.items() if same}


def _is_common(new: Side, old: Side, number: int) -> bool:
    """Whether the rollout was given the same, such as a mask of legal choices."""
    return any(_alike(new.numbers(number), old.numbers(n)) for n in old.given() if old.trace.tensors[n].dim())


Variant = tuple[Values, Values]
"""The sample's outputs of each layer, and its draws, by the numbers of the rollout's side."""


def _variants(old: Side) -> Iterator[Variant]:
    """What was recorded, then what was not: other outputs of all layers and of each alone, other draws."""
    heads, draws = {n: old.numbers(n).double() for n in old.heads}, {n: old.numbers(n) for n in old.draws}
    yield heads, draws
    for tail in TAILS:
        drawn = {n: _far(x, tail, heads) for n, x in draws.items()}
        yield heads, drawn
        for size, changed in itertools.product(OUTPUTS, dict.fromkeys((old.heads, *((n,) for n in old.heads)))):
            yield {n: size * x / x.abs().max() if n in changed else x for n, x in heads.items()}, drawn


def _far(draw: torch.Tensor, tail: float, heads: Values) -> torch.Tensor:
    """Noise further out; of choices the one that is least likely, where a single layer gives it."""
    if draw.is_floating_point():
        return tail * draw.double()
    choices = next(iter(heads.values()))
    return choices.argmin().expand(draw.shape) if tail > 1 and len(heads) == 1 and draw.numel() == 1 else draw


def _sample(new: Side, old: Side, actions: Mapping[int, int], heads: Values, draws: Values) -> Sample | None:
    """Both sides on one variant; None where neither could be expected to be exact."""
    theirs = old.run({n: old.with_row(n, x) for n, x in (heads | draws).items()})
    rows = {mine: theirs[number][old.row].flatten() for mine, number in actions.items()}
    paired = {mine: new.with_row(mine, heads[number]) for mine, number in zip(new.heads, old.heads, strict=True)}
    ours = new.run(paired | {mine: new.with_row(mine, row) for mine, row in rows.items()})
    if old.is_squashed(theirs) or new.is_squashed(ours):
        return None
    first, second = (float(x.sum()) for x in (ours[new.end][new.row], theirs[old.end][old.row]))
    is_choice = any(not x.is_floating_point() for x in draws.values())
    if is_choice and max(first, second) < LEAST_CHOICE:
        return None
    return Sample(torch.cat(list(heads.values())), torch.cat([x.double() for x in rows.values()]), first, second)
