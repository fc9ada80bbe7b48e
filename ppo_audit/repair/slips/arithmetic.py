"""Slips in arithmetic: a sign, an operator, the order of operands, a factor or a number."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

import libcst as cst

from ppo_audit.repair.slips.called import called
from ppo_audit.repair.source import LEAVES, Spot, tight

OTHER = {"+": "-", "-": "+", "*": "/", "/": "*"}
MOST_ALIKE = 2
"""Names that are tried as what a coefficient is for, those first that are written most alike."""


def signs(spot: Spot) -> Iterator[str]:
    """A sign lost or one too many: a minus left out, the other of plus and minus, a minus put in front."""
    node = spot.node
    if isinstance(node, cst.UnaryOperation):
        yield spot.code(node.expression)
    if isinstance(node, cst.BinaryOperation) and _sign(spot) in "+-":
        _, sign, right = parts_of(spot)
        yield f"{_left(spot)} {OTHER[sign]} {right}"
    if is_whole(spot) and isinstance(node, (cst.Call, cst.Name, cst.BinaryOperation, cst.Attribute)):
        yield f"-{tight(spot.text)}"


def operators(spot: Spot) -> Iterator[str]:
    """Times for divided by, and the other way round."""
    if isinstance(spot.node, cst.BinaryOperation) and _sign(spot) in "*/":
        _, sign, right = parts_of(spot)
        yield f"{_left(spot)} {OTHER[sign]} {right}"


def swapped(spot: Spot) -> Iterator[str]:
    """The operands of a difference or a quotient the other way round."""
    if isinstance(spot.node, cst.BinaryOperation) and _sign(spot) in "-/":
        left, sign, right = parts_of(spot)
        yield f"{right} {sign} {left}"


def dropped(spot: Spot) -> Iterator[str]:
    """One operand alone."""
    if isinstance(spot.node, cst.BinaryOperation):
        left, sign, right = parts_of(spot)
        yield left
        yield f"-{right}" if sign == "-" else right


def regrouped(spot: Spot) -> Iterator[str]:
    """Parentheses that were lost: a - b / c as (a - b) / c, or that are too many."""
    node = spot.node
    if not isinstance(node, cst.BinaryOperation):
        return
    left, sign, right = parts_of(spot)
    if isinstance(node.right, cst.BinaryOperation):
        inner = _binary(spot, node.right)
        yield f"({left} {sign} {inner[0]}) {inner[1]} {inner[2]}"
        if getattr(node.right, "lpar", ()):
            yield f"{left} {sign} {inner[0]} {inner[1]} {inner[2]}"
    if isinstance(node.left, cst.BinaryOperation):
        inner = _binary(spot, node.left)
        yield f"{inner[0]} {inner[1]} ({inner[2]} {sign} {right})"
        yield f"({inner[0]} {sign} {right}) {inner[1]} {inner[2]}"


def factors(spot: Spot) -> Iterator[str]:
    """A factor that was forgotten: a coefficient, or what nothing reads."""
    if isinstance(spot.node, (*LEAVES, cst.Call, cst.BinaryOperation)):
        for name in dict.fromkeys((*spot.unused, *spot.scope.scalars)):
            if name not in spot.text:
                yield f"{name} * {tight(spot.text)}"


def forgotten(spot: Spot) -> Iterator[str]:
    """A coefficient that nothing reads, before what may be a term."""
    if isinstance(spot.node, (cst.Name, cst.Call, cst.BinaryOperation)) and spot.text not in spot.scope.scalars:
        yield from (f"{name} * {tight(spot.text)}" for name in spot.unused if name in spot.scope.scalars)


def divided(spot: Spot) -> Iterator[str]:
    """A division by what nothing reads."""
    if is_whole(spot):
        yield from (f"{tight(spot.text)} / {name}" for name in spot.unused)


def summands(spot: Spot) -> Iterator[str]:
    """A summand that was forgotten: what nothing reads, with a coefficient or without, or what a coefficient is for."""
    if not is_whole(spot):
        return
    for factor in (name for name in spot.unused if name in spot.scope.scalars):
        others = [name for name in spot.scope.tensors if name not in spot.text]
        for name in sorted(others, key=lambda name: -SequenceMatcher(a=factor, b=name).ratio())[:MOST_ALIKE]:
            for term in (f"{factor} * {name}", f"{factor} * {name}.mean()"):
                yield f"{spot.text} - {term}"
                yield f"{spot.text} + {term}"
    scalars = sorted(spot.scope.scalars, key=lambda name: name not in spot.unused)
    for name in (each for each in spot.unused if each not in scalars):
        terms = [f"{factor} * {name}{mean}" for factor in scalars for mean in (".mean()", "")]
        for term in (*terms, name):
            yield f"{spot.text} - {term}"
            yield f"{spot.text} + {term}"


def counts(spot: Spot) -> Iterator[str]:
    """One less than a number that is divided by."""
    parent = spot.parent
    is_denominator = (
        isinstance(parent, cst.BinaryOperation)
        and isinstance(parent.operator, cst.Divide)
        and parent.right is spot.node
    )
    if is_denominator and isinstance(spot.node, (*LEAVES, cst.Call)):
        yield f"{spot.text} - 1"


def powers(spot: Spot) -> Iterator[str]:
    """A square or a root that is missing, or one too many."""
    node = spot.node
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Power):
        yield spot.code(node.left)
    call = called(spot)
    if call and call.name in ("pow", "square", "sqrt"):
        yield call.subject
    if isinstance(node, (*LEAVES, cst.Call)) and spot.text not in spot.scope.scalars:
        yield f"{spot.text}.sqrt()"


def squared(spot: Spot) -> Iterator[str]:
    """The square of a difference that is all of an assignment, or what a reduction works on."""
    is_reduced = is_whole(spot) or isinstance(spot.parent, cst.Attribute)
    if is_reduced and isinstance(spot.node, cst.BinaryOperation) and isinstance(spot.node.operator, cst.Subtract):
        yield f"({spot.text}) ** 2"


def halves(spot: Spot) -> Iterator[str]:
    """A factor of a half, or of two, that is missing or too many; a one or a half that is missing in a sum."""
    if isinstance(spot.node, (cst.Call, cst.BinaryOperation)):
        yield f"0.5 * {tight(spot.text)}"
        yield f"2 * {tight(spot.text)}"
        yield f"{spot.text} - 0.5"
        yield f"{spot.text} - 1"
        yield f"{spot.text} + 1"


def doubled(spot: Spot) -> Iterator[str]:
    """A variance for a deviation: exponents doubled, all of the statement's line alike."""
    if spot.text.count(".exp()") and isinstance(spot.node, cst.Tuple):
        yield ", ".join(f"(2 * {spot.code(each.value)[: -len('.exp()')]}).exp()" for each in spot.node.elements)
    call = called(spot)
    if call and call.name == "exp" and call.subject:
        yield f"{call.head}.exp(2 * {call.subject})" if not call.is_method else f"(2 * {call.subject}).exp()"


def numbers(spot: Spot) -> Iterator[str]:
    """A number as the parameter that it stands for, or as its neighbour in meaning."""
    if not isinstance(spot.node, (cst.Integer, cst.Float)):
        return
    yield from spot.scope.scalars
    value = float(spot.text)
    if value in (0.0, 1.0):
        yield "1" if value == 0 else "0"


def _sign(spot: Spot) -> str:
    assert isinstance(spot.node, cst.BinaryOperation)
    return spot.code(spot.node.operator).strip()


def _left(spot: Spot) -> str:
    """The left operand as it stands, which an operator of the same rank leaves alone."""
    assert isinstance(spot.node, cst.BinaryOperation)
    text = spot.code(spot.node.left)
    return f"({text})" if spot.node.left.lpar else text


def parts_of(spot: Spot) -> tuple[str, str, str]:
    assert isinstance(spot.node, cst.BinaryOperation)
    return _binary(spot, spot.node)


def _binary(spot: Spot, node: cst.BinaryOperation) -> tuple[str, str, str]:
    """Left operand, operator and right operand, each as an operand."""
    sign = spot.code(node.operator).strip()
    left = _operand(spot, node.left)
    return left, sign, _operand(spot, node.right)


def _operand(spot: Spot, node: cst.BaseExpression) -> str:
    text = spot.code(node)
    keeps = isinstance(node, cst.BinaryOperation) and not node.lpar and isinstance(node.operator, cst.Multiply)
    return text if keeps else tight(text)


def is_whole(spot: Spot) -> bool:
    """Whether the expression is all of what a line assigns, adds or returns, or one argument of a call."""
    kinds = (cst.Assign, cst.Return, cst.AugAssign, cst.AnnAssign, cst.Arg, cst.Element)
    return isinstance(spot.parent, kinds)
