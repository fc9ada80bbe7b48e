"""Slips in calls: another function, other arguments, a call too many or one that is missing."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from ppo_audit.repair.slips.called import called
from ppo_audit.repair.source import LEAVES, Spot, tight

EXTREMA = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "fmax": "fmin", "fmin": "fmax",
           "amax": "amin", "amin": "amax"}  # fmt: skip
NAMES = {"var": ("std",), "std": ("var",), "exp2": ("exp",), "log2": ("log",), "log10": ("log",),
         "reciprocal": ("rsqrt",), "rsqrt": ("reciprocal",), "repeat": ("repeat_interleave",),
         "repeat_interleave": ("repeat",), "tile": ("repeat",), "append": ("insert",),
         "logical_and": ("logical_or",), "logical_or": ("logical_and",)}  # fmt: skip
REDUCTIONS = {"mean": "sum", "sum": "mean", "nanmean": "mean"}
COMPARISONS = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "!=", "!=": "=="}


def extrema(spot: Spot) -> Iterator[str]:
    """The minimum for the maximum, and the other way round."""
    call = called(spot)
    if call and call.name in EXTREMA:
        yield call.text(EXTREMA[call.name])


def negated_extrema(spot: Spot) -> Iterator[str]:
    """The maximum of losses for the minimum of objectives: the other one, and a minus."""
    call = called(spot)
    if call and call.name in EXTREMA:
        yield f"-{call.text(EXTREMA[call.name])}"


def functions(spot: Spot) -> Iterator[str]:
    """Another function of the same kind: deviation for variance, base e for base 2."""
    call = called(spot)
    for name in NAMES.get(call.name, ()) if call else ():
        args = ("0", *call.args) if call and name == "insert" else None
        if call:
            yield call.text(name, args)


def reductions(spot: Spot) -> Iterator[str]:
    """A sum for a mean, and the other way round; as a word too."""
    call = called(spot)
    if call and call.name in REDUCTIONS:
        yield call.text(REDUCTIONS[call.name])
        if call.name == "mean" and not call.options:
            yield f"{call.text('sum', (*call.args, '-1'))}.mean()"
            yield f"{call.text('sum', (*call.args, '-1'))}.mean()"
        if call.name == "sum" and call.options:
            yield f"{call.text()}.mean()"
    if call and call.args and "reduction" not in spot.text and call.name.endswith("loss"):
        yield call.text(args=(*call.args, 'reduction="sum"'))
        yield call.text(args=(*call.args, 'reduction="mean"'))
    if spot.text in ('"mean"', "'mean'"):
        yield '"sum"'
    if spot.text in ('"sum"', "'sum'"):
        yield '"mean"'


def reduced(spot: Spot) -> Iterator[str]:
    """A sum over the last dimension, or a mean, that is missing."""
    if isinstance(spot.node, (*LEAVES, cst.Call, cst.BinaryOperation)):
        yield f"{tight(spot.text)}.sum(-1)"
        yield f"{tight(spot.text)}.mean()"


def unwrapped(spot: Spot) -> Iterator[str]:
    """A call left out: what it works on, or its second argument; no number, which would stand for what is computed."""
    call = called(spot)
    if not call:
        return
    if call.subject:
        yield call.subject
    if not call.is_method:
        yield from (each for each in call.positional[1:3] if not each.lstrip("-").replace(".", "", 1).isdigit())


def reductions_throughout(spot: Spot) -> Iterator[str]:
    """Several means of one line as sums."""
    if spot.text.count(".mean(") > 1:
        yield spot.text.replace(".mean(", ".sum(")


def detached(spot: Spot) -> Iterator[str]:
    """The gradient stopped here."""
    is_value = isinstance(spot.node, (cst.Name, cst.Attribute, cst.Call, cst.Subscript))
    is_value = is_value and spot.text not in spot.scope.scalars
    if is_value and not spot.text.endswith(".detach()"):
        yield f"{spot.text}.detach()"
    if isinstance(spot.node, cst.BinaryOperation):
        yield f"({spot.text}).detach()"


def branches(spot: Spot) -> Iterator[str]:
    """The branches of a choice swapped."""
    call = called(spot)
    if call and call.name == "where" and len(call.args) == 3:
        yield call.text(args=(call.args[0], call.args[2], call.args[1]))
    if isinstance(spot.node, cst.IfExp):
        yield f"{spot.code(spot.node.orelse)} if {spot.code(spot.node.test)} else {spot.code(spot.node.body)}"


def comparisons(spot: Spot) -> Iterator[str]:
    """A comparison the other way round."""
    node = spot.node
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        sign = spot.code(node.comparisons[0].operator).strip()
        if sign in COMPARISONS:
            yield f"{spot.code(node.left)} {COMPARISONS[sign]} {spot.code(node.comparisons[0].comparator)}"


def keywords(spot: Spot) -> Iterator[str]:
    """A parameter that nothing reads, passed on by its name or the last word of it; an argument left out."""
    call = called(spot)
    if not call:
        return
    for name in spot.unused:
        yield call.text(args=(*call.args, f"{name.rpartition('_')[2]}={name}"))
        yield call.text(args=(*call.args, f"{name}={name}"))
    for argument in call.args:
        if "=" in argument:
            yield call.text(args=tuple(each for each in call.args if each is not argument))


def swapped_arguments(spot: Spot) -> Iterator[str]:
    """The first two arguments of a function swapped."""
    call = called(spot)
    if call and not call.is_method and len(call.positional) == 2 == len(call.args):
        yield call.text(args=(call.args[1], call.args[0]))


def copies(spot: Spot) -> Iterator[str]:
    """A method that writes in place as the one that does not."""
    call = called(spot)
    if call and call.is_method and call.name.endswith("_") and not call.name.endswith("__"):
        yield spot.text.replace("_(", "(")


def turned(spot: Spot) -> Iterator[str]:
    """The order of steps turned round."""
    call = called(spot)
    if call and call.name in ("range", "zip", "enumerate", "list"):
        yield f"reversed({spot.text})"
    if call and call.name == "reversed":
        yield from call.args
    if isinstance(spot.node, (cst.Name, cst.Call)):
        yield f"{spot.text}[::-1]"
