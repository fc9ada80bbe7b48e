"""What may have been left out or taken for something else: edits that put in a clip, a square, a guard, another role.

Each replaces one call, as those of `edits` do. What an edit puts in comes from the same run: the clip range that the
target was given, the value of another role, as the target itself had it at that place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.locate.edits import Args, Edit, Kwargs
from ppo_audit.recording.graph import NONE, Roles, clamp_bounds, operands, plain
from ppo_audit.recording.terms import ADDITIONS, CLAMPS, PRODUCTS, QUOTIENTS
from ppo_audit.recording.trace import Intervention, Op, OpKey
from ppo_audit.subjects.families import CREDIT, PAST, REFERENCE
from ppo_audit.subjects.run import Borrowed, Run
from ppo_audit.subjects.subject import Subject

KIN = (("log_prob", "old_log_prob"), ("value", "old_value", "return_"))
"""Roles that are taken for one another."""
PAIRS = (frozenset(("value", "return_")), frozenset(("log_prob", "old_log_prob")))
"""What belongs together: an error of the new value, a ratio of new and old."""
GUARD = 1e-8


@dataclass(frozen=True)
class Scene:
    """One recorded run of a subject, and the roles of every value in it."""

    subject: Subject
    run: Run
    roles: Mapping[int, Roles]

    def of(self, number: int | None) -> Roles:
        """The roles that a value is made of, masks left out."""
        return NONE if number is None else self.roles.get(number, NONE) - {"mask"}

    def shape(self, number: int) -> torch.Size:
        return self.run.trace.tensors[number].shape


def insertions_of(op: Op, scene: Scene) -> Iterator[Edit]:
    """The edits that put something in at a call."""
    yield from _clipped(op, scene)
    yield from _raised(op, scene)
    yield from _weighted(op, scene)
    yield from _guarded(op, scene)
    if plain(op.name) == "mean" and len(op.args) == 1 and not op.kwargs:
        yield Edit(op, "`sum` in place of `mean`", lambda func, args, kwargs: args[0].sum())


def _clipped(op: Op, scene: Scene) -> Iterator[Edit]:
    """The bounds of a clamp of the ratio, one or both; the ratio clamped where it meets the advantage."""
    name, radius = plain(op.name), _Radius.of(scene.subject)
    if radius is None:
        return
    if name in CLAMPS and "log_prob" in scene.of(op.outputs[0]):
        low, high = clamp_bounds(op)
        if low is not None and high is not None:
            yield Edit(op, "1 - clip range as its lower bound", radius.clamping(None, high), argument="min")
            yield Edit(op, "1 + clip range as its upper bound", radius.clamping(low, None), argument="max")
        yield Edit(op, "the clip range around 1 as its bounds", radius.clamping(None, None), argument="min")
    yield from _clamped(op, scene, radius)


def _clamped(op: Op, scene: Scene, radius: _Radius) -> Iterator[Edit]:
    """The ratio clamped where it meets the advantage, or where one of two is chosen."""
    is_choice = plain(op.name) == "where" and len(op.args) == 3
    if not is_choice and not (plain(op.name) in PRODUCTS and scene.of(op.outputs[0]) & CREDIT):
        return
    for position, number in enumerate(operands(op)):
        if "log_prob" in scene.of(number) and not scene.of(number) & CREDIT:
            place = str(position)
            yield Edit(op, "its ratio clamped to the clip range", radius.clamping_operand(position), argument=place)
            for side in (-1, 1) if is_choice else ():
                bound = "1 + clip range" if side > 0 else "1 - clip range"
                yield Edit(op, f"its ratio kept at {bound}", radius.clamping_operand(position, side), argument=place)


@dataclass(frozen=True)
class _Radius:
    """The clip range as the loss claims it, and as a call sets it: a rule may move it."""

    usual: float
    bounds: tuple[float, float]

    @staticmethod
    def of(subject: Subject) -> _Radius | None:
        try:
            return _Radius(subject.settings.get("clip_range", 0.0), subject.profile.bounds)
        except NotApplicable:
            return None

    def clamping(self, low: float | None, high: float | None) -> Borrowed:
        """The first operand clamped; a bound that is None is that of the clip range."""

        def clamped(radius: float, func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
            lower, upper = self.at(radius)
            return torch.clamp(args[0], lower if low is None else low, upper if high is None else high)

        return Borrowed("clip_range", clamped, self.usual)

    def clamping_operand(self, position: int, side: int = 0) -> Borrowed:
        """One operand clamped, on both sides, or on one."""

        def clamped(radius: float, func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
            given = args[position]  # the ratio, or minus the ratio
            low, high = self.at(radius)
            bounds = (None if side > 0 else low, None if side < 0 else high)
            return func(*_with(args, position, given.sign() * given.abs().clamp(*bounds)), **kwargs)

        return Borrowed("clip_range", clamped, self.usual)

    def at(self, radius: float) -> tuple[float, float]:
        """The bounds at a radius, in proportion to the usual ones."""
        factor = radius / self.usual if self.usual else 1.0
        return 1 - factor * (1 - self.bounds[0]), 1 + factor * (self.bounds[1] - 1)


def _with(args: Args, position: int, value: Any) -> Args:
    return (*args[:position], value, *args[position + 1 :])


def exchanges(ops: Sequence[Op], scene: Scene) -> Iterator[Edit]:
    """Operands that are one role, exchanged for one of its kin; first what makes a pair that belongs together."""
    found = [
        each for op in ops for place, number in enumerate(operands(op)) for each in _of_kin(op, place, number, scene)
    ]
    yield from (edit for pair, edit in found if pair in PAIRS)
    yield from (edit for pair, edit in found if pair not in PAIRS)


def _of_kin(op: Op, position: int, number: int | None, scene: Scene) -> Iterator[tuple[Roles, Edit]]:
    """The exchanges of one operand, each with the roles of the operands that it leads to."""
    found = scene.of(number)
    if number is None or len(found) != 1 or not scene.shape(number):
        return
    (role,) = found
    rest = NONE.union(*(scene.of(other) for place, other in enumerate(operands(op)) if place != position))
    for other in (kin for group in KIN if role in group for kin in group):
        is_paired = rest | {other} in PAIRS
        if other != role and other in scene.run.numbers and (is_paired or "return_" not in (role, other)):
            text = f"the {NAMES[other]} in place of the {NAMES[role]}"
            lender = _lender(op, other, number, scene)
            yield rest | {other}, Edit(op, text, Borrowed(other, _exchanged(position)), lender=lender)


NAMES = {
    "log_prob": "new log-prob",
    "old_log_prob": "old log-prob",
    "value": "new value",
    "old_value": "old value",
    "return_": "return",
}


def _exchanged(position: int) -> Callable[..., Any]:
    def exchange(lent: Any, func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
        other = lent if lent.shape == args[position].shape else lent.reshape(args[position].shape)
        return func(*_with(args, position, other.to(args[position].dtype)), **kwargs)

    return exchange


def _lender(op: Op, role: str, number: int, scene: Scene) -> OpKey | None:
    """The last operation before this one that makes the role's value in the shape of another, after any mask."""
    ops = scene.run.trace.ops
    before = ops[: next(index for index, each in enumerate(ops) if each is op)]
    made = (each for each in reversed(before) if scene.of(each.outputs[0]) == {role})
    return next((each.key for each in made if scene.shape(each.outputs[0]) == scene.shape(number)), None)


def _raised(op: Op, scene: Scene) -> Iterator[Edit]:
    """The square of an error, the exponential of a log-ratio, p behind a log p, the 1 of an expectation."""
    found, name = scene.of(op.outputs[0]), plain(op.name)
    if {"value"} < found and found & {"return_", "advantage"} and scene.shape(op.outputs[0]):
        yield Edit(op, "a square behind it", lambda func, args, kwargs: func(*args, **kwargs) ** 2)
    if name in ADDITIONS and found == {"log_prob", "old_log_prob"} and _tensors(op.args) == 1:
        exponential: Intervention = lambda func, args, kwargs: torch.exp(_tensor(args))
        yield Edit(op, "the exponential in its place", exponential)
    if name == "sum" and found == {"logits"}:
        weighted: Intervention = lambda func, args, kwargs: func(args[0] * args[0].exp(), *args[1:], **kwargs)
        yield Edit(op, "each log-probability times its probability", weighted)
    if name in ADDITIONS and found & (PAST | REFERENCE) and not found & CREDIT and scene.shape(op.outputs[0]):
        yield Edit(op, "1 subtracted from it", lambda func, args, kwargs: func(*args, **kwargs) - 1)


def _tensors(args: Args) -> int:
    return sum(isinstance(arg, torch.Tensor) for arg in args)


def _tensor(args: Args) -> torch.Tensor:
    return next(arg for arg in args if isinstance(arg, torch.Tensor))


def _weighted(op: Op, scene: Scene) -> Iterator[Edit]:
    """A coefficient as it was given, in place of its square."""
    factors = [place for place, arg in enumerate(op.args) if isinstance(arg, float)]
    if plain(op.name) not in PRODUCTS or not factors or scene.shape(op.outputs[0]):
        return
    for role, words in COEFFICIENTS.items():
        usual = scene.subject.settings.get(role)
        if usual is not None and math.isclose(abs(op.args[factors[0]]), usual**2):
            lent = Borrowed(role, _exchanged_number(factors[0]), usual)
            yield Edit(op, f"{words} in place of its square", lent)


COEFFICIENTS = {"value_coef": "the value coefficient", "entropy_coef": "the entropy coefficient"}


def _exchanged_number(position: int) -> Callable[..., Any]:
    return lambda lent, func, args, kwargs: func(*_with(args, position, math.copysign(lent, args[position])), **kwargs)


def complements_of(op: Op, scene: Scene) -> Iterator[Edit]:
    """A mask as it is, where it is turned round."""
    name = plain(op.name)
    is_turned = name in ("logical_not", "bitwise_not") or (name in ("rsub", "sub") and _tensors(op.args) == 1)
    if is_turned and scene.roles.get(op.outputs[0], NONE) == {"mask"}:
        yield Edit(op, "the mask as it is", lambda func, args, kwargs: _tensor(args) * 1)


def turned_throughout(ops: Sequence[Op], scene: Scene) -> Iterator[Edit]:
    """A log-ratio that stands more than once in a line, with the other sign at each place."""
    for op in ops:
        for number in dict.fromkeys(op.inputs):
            again = [other for other in ops if other.site == op.site or _line(other) == _line(op)]
            users = [other for other in again if number in other.inputs]
            if len(users) > 1 and users[0] is op and scene.of(number) & REFERENCE and "log_prob" in scene.of(number):
                first, *others = [(other.key, _negated(operands(other), number)) for other in users]
                yield Edit(op, "minus the log-ratio throughout the line", first[1], beside=tuple(others))


def _line(op: Op) -> tuple[str, int] | None:
    return (op.site.file, op.site.line) if op.site is not None else None


def _negated(numbers: Sequence[int | None], number: int) -> Intervention:
    places = [place for place, each in enumerate(numbers) if each == number]
    return lambda func, args, kwargs: func(*(-a if i in places else a for i, a in enumerate(args)), **kwargs)


def _guarded(op: Op, scene: Scene) -> Iterator[Edit]:
    """A small number added to what is divided by."""
    if plain(op.name) in QUOTIENTS and len(op.inputs) > 1 and operands(op)[1] is not None:
        added: Intervention = lambda func, args, kwargs: func(args[0], args[1] + GUARD, *args[2:], **kwargs)
        yield Edit(op, f"{GUARD:g} added to its denominator", added)
