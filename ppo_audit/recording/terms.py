"""The loss as a sum of coefficient x term: linear operations are pushed down through the additions of the recording.

A term is linear(atom): `atom` is the value where linearity ends (the max of two surrogates, a squared error, the
entropy itself), `linear` the recorded chain of reductions, masks and shape changes between it and the loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import torch

from ppo_audit.recording.graph import NONE, Roles, operands, plain, producers, substitute
from ppo_audit.recording.trace import Op, Trace

ADDITIONS = {
    "add": (1, 1),
    "iadd": (1, 1),
    "radd": (1, 1),
    "sub": (1, -1),
    "isub": (1, -1),
    "subtract": (1, -1),
    "rsub": (-1, 1),
}
PRODUCTS = frozenset(("mul", "multiply", "rmul", "imul"))
QUOTIENTS = frozenset(("div", "truediv", "true_divide", "divide", "itruediv", "idiv"))
CLAMPS = frozenset("clamp clip clamp_min clamp_max hardtanh".split())
SELECTIONS = frozenset(("getitem", "masked_select", "masked_fill", "gather", "index_select"))
BENDS = CLAMPS | frozenset("square pow relu maximum max where softplus".split())
SHAPES = frozenset(
    "view reshape flatten squeeze unsqueeze expand expand_as contiguous to float double half bfloat16 type clone "
    "transpose permute t T mean sum nanmean nansum cpu cuda broadcast_to view_as reshape_as type_as".split()
)
SCALES = frozenset("mask clip_range clip_range_high clip_range_value value_coef entropy_coef kl_coef".split())
"""Roles that scale or select but do not make a value belong to a term."""

DIFFERENCES = frozenset(("kl", "log_prob", "entropy"))
"""A difference of log-probs, or of log standard deviations, is one thing: it stays whole."""

SQUARE = frozenset(("value", "tail"))
"""The square of an error, written out sample by sample, has addends without a target; it is one term all the same."""

Family = Callable[[Roles], str]
Step = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Part:
    """One summand of the loss: coefficient x linear(atom). `ops` leads from the loss down to the atom.

    `probe` is the coefficient with its zero factors left out, so that a term that is switched off can still be judged.
    """

    coefficient: float
    probe: float
    atom: int
    family: str
    chain: tuple[Step, ...] = ()
    ops: tuple[Op, ...] = field(default=(), repr=False)

    def unscaled(self, atom: torch.Tensor) -> torch.Tensor:
        """The term without its coefficient, from the tensor of its atom."""
        for step in reversed(self.chain):
            atom = step(atom)
        return atom


@dataclass(frozen=True)
class Splitter:
    """What splitting one recorded loss needs: the trace, the roles of each value, and the family of a set of roles."""

    trace: Trace
    roles: Mapping[int, Roles]
    family: Family
    makers: Mapping[int, Op]

    def family_of(self, number: int) -> str:
        found = self.family(self.roles.get(number, NONE) - SCALES)
        return "log_prob" if found == "kl" and self._is_weighted_log_prob(number) else found

    def _is_weighted_log_prob(self, number: int) -> bool:
        """Whether a log-prob is multiplied by a constant weight, as an entropy estimated from older samples."""
        op = self.makers.get(number)
        if op is None or plain(op.name) not in PRODUCTS:
            return False
        live = [operand for operand in op.inputs if self.trace.tensors[operand].requires_grad]
        return len(live) == 1 and self.roles.get(live[0]) == frozenset(("log_prob",))

    def told(self, part: Part) -> Part:
        """The part itself; a KL that was averaged and then bent is no estimate of it, but a fence around it."""
        op = self.makers.get(part.atom)
        is_bent = op is not None and plain(op.name) in BENDS and not self.trace.tensors[part.atom].shape
        return dataclasses.replace(part, family="fence") if part.family == "kl" and is_bent else part

    def addends(self, number: int) -> list[tuple[int, int]]:
        """(value, sign) of each operand where `number` is a sum of tensors; else empty."""
        op = self.makers.get(number)
        if op is None or plain(op.name) not in ADDITIONS:
            return []
        pairs = zip(operands(op), ADDITIONS[plain(op.name)], strict=False)
        return [(operand, sign) for operand, sign in pairs if operand is not None]

    def linear_operand(self, number: int) -> int | None:
        """The one operand in which the operation that made `number` is linear, the others being constants."""
        op = self.makers.get(number)
        if op is None:
            return None
        name, found = plain(op.name), [n for n in dict.fromkeys(op.inputs) if self.roles.get(n, NONE) - SCALES]
        if len(found) != 1:
            return None
        position = op.inputs.index(found[0])
        if name in ("neg", "negative") or name in SHAPES or name in PRODUCTS:
            return found[0]
        if (name in QUOTIENTS or name in SELECTIONS) and position == 0 and operands(op)[0] == found[0]:
            return found[0]
        return found[0] if name == "where" and position > 0 else None

    def families(self, number: int) -> frozenset[str]:
        """The families of the parts that `number` would be split into."""
        inner = [operand for operand, _ in self.addends(number)]
        linear = self.linear_operand(number)
        inner = inner or ([linear] if linear is not None else [])
        if not inner:
            return frozenset((self.family_of(number),))
        found = frozenset().union(*(self.families(operand) for operand in inner)) - {"constant"}
        return frozenset((self.family_of(number),)) if "log_prob" in found and found <= DIFFERENCES else found


def split(
    trace: Trace, total: int, roles: Mapping[int, Roles], family: Family, leaves: Collection[int] = ()
) -> list[Part]:
    """The parts of `total`; an addition is opened only where its operands belong to different families.

    `leaves` are the values that were put in place of intermediates: how the target makes them is no part of the loss.
    """
    makers = {number: op for number, op in producers(trace).items() if number not in leaves}
    splitter, done = Splitter(trace, roles, family, makers), []
    pending = [Part(1.0, 1.0, total, splitter.family_of(total))]
    while pending:
        part = pending.pop()
        inner = _opened(part, splitter)
        if inner:
            pending.extend(reversed(inner))
        else:
            done.append(part)
    return [splitter.told(part) for part in done if part.family != "constant"]


def _opened(part: Part, splitter: Splitter) -> list[Part]:
    op = splitter.makers.get(part.atom)
    if op is None:
        return []
    linear = splitter.linear_operand(part.atom)
    if linear is not None:
        return [_through(part, op, linear, splitter)]
    addends, found = splitter.addends(part.atom), splitter.families(part.atom)
    shape = splitter.trace.tensors[part.atom].shape
    if len(found) < 2 or (found == SQUARE and shape):
        return []
    return [_addend(part, op, number, sign, shape, splitter) for number, sign in addends]


def _addend(part: Part, op: Op, number: int, sign: int, shape: torch.Size, splitter: Splitter) -> Part:
    grows = splitter.trace.tensors[number].shape != shape
    steps: tuple[Step, ...] = ((lambda tensor: tensor.expand(shape)),) if grows else ()
    scale = float(op.kwargs.get("alpha", 1)) if number != operands(op)[0] else 1.0
    return _step(part, op, number, sign * scale, steps, splitter)


def _through(part: Part, op: Op, number: int, splitter: Splitter) -> Part:
    factor = _factor(op, number, splitter)
    steps: tuple[Step, ...] = () if factor is not None else ((lambda tensor: substitute(op, {number: tensor})),)
    scale = 1.0 if factor is None else factor
    return _step(part, op, number, scale, steps, splitter)


def _step(part: Part, op: Op, number: int, scale: float, steps: tuple[Step, ...], splitter: Splitter) -> Part:
    return Part(
        part.coefficient * scale,
        part.probe * (scale or 1.0),
        number,
        splitter.family_of(number),
        part.chain + steps,
        (*part.ops, op),
    )


def _factor(op: Op, number: int, splitter: Splitter) -> float | None:
    """The number by which the operation scales its operand; None where it does more, or where the loss computed it."""
    name = plain(op.name)
    if name in ("neg", "negative"):
        return -1.0
    if name not in PRODUCTS | QUOTIENTS or len(op.args) < 2:
        return None
    position = 1 if operands(op)[0] == number else 0
    other = op.args[position]
    if isinstance(other, torch.Tensor):
        is_given = other.dim() == 0 and operands(op)[position] not in splitter.makers
        other = other.item() if is_given and not other.requires_grad else None
    if not isinstance(other, int | float) or isinstance(other, bool):
        return None
    return float(other) if name in PRODUCTS else 1.0 / other if other else None
