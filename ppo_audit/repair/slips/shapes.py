"""Slips of shape, dtype and padding: columns, masks, denominators, precision."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from ppo_audit.repair.slips.called import called
from ppo_audit.repair.source import LEAVES, Spot, tight

GUARD, GROUP_GUARD = "1e-8", "1e-4"


def flattened(spot: Spot) -> Iterator[str]:
    """One dimension less, or one that is not made."""
    call = called(spot)
    if call and call.name in ("unsqueeze", "view", "reshape", "squeeze"):
        yield call.subject
        if call.is_method and call.options == ("-1", "1"):
            yield f"{call.subject}.{call.name}(-1)"
        if call.name == "squeeze" and not call.options:
            yield f"{call.subject}.squeeze(-1)"
    if isinstance(spot.node, (*LEAVES, cst.Call)):
        yield f"{spot.text}.squeeze(-1)"
        yield f"{spot.text}.squeeze(1)"
        yield f"{spot.text}.view(-1)"


def without_keepdim(spot: Spot) -> Iterator[str]:
    """A reduction that keeps no dimension of size one."""
    call = called(spot)
    if call:
        for argument in call.args:
            if argument.replace(" ", "") in ("keepdim=True", "keepdims=True"):
                yield call.text(args=tuple(each for each in call.args if each is not argument))


def kept(spot: Spot) -> Iterator[str]:
    """A mask as it is, where it is turned round."""
    node = spot.node
    if isinstance(node, cst.BinaryOperation) and spot.code(node.left) in ("1", "1.0"):
        inner = spot.code(node.right)
        if inner in spot.scope.masks or "mask" in inner or "valid" in inner:
            yield inner
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.BitInvert):
        yield spot.code(node.expression)


def masked(spot: Spot) -> Iterator[str]:
    """A mask before a sum; a mean over what is valid."""
    call = called(spot)
    for mask in spot.scope.masks:
        if call and call.name == "mean" and call.subject:
            total, options = f"({tight(call.subject)} * {mask})", ", ".join(call.options)
            yield f"{total}.sum({options}) / {mask}.sum({options}).clamp(min=1)"
            yield f"masked_mean({call.subject}, {mask})"
        if call and call.name == "sum" and call.subject:
            yield f"({tight(call.subject)} * {mask}).sum({', '.join(call.options)})"
        if isinstance(spot.node, (*LEAVES, cst.BinaryOperation, cst.Call)) and spot.text != mask:
            yield f"{tight(spot.text)} * {mask}"


def counted(spot: Spot) -> Iterator[str]:
    """The number of valid entries in place of the number of all."""
    call, masks = called(spot), spot.scope.masks
    is_count = bool(call and call.name in ("numel", "size", "len")) or ".shape[" in spot.text
    if call and call.is_method and call.name == "size" and call.options:
        yield f"{call.text('sum')}.clamp(min=1)"
    for mask in masks if is_count else ():
        rows = "dim=-1" if "[-1]" in spot.text or "(-1)" in spot.text else ""
        yield f"{mask}.sum({rows}).clamp(min=1)"
    if call and call.subject and call.name == "mean":
        for mask in masks:
            yield f"{call.subject}.sum() / {mask}.sum().clamp(min=1)"


def positive(spot: Spot) -> Iterator[str]:
    """A denominator, the argument of a root or of a logarithm kept off zero."""
    call = called(spot)
    is_denominator = (
        isinstance(spot.parent, cst.BinaryOperation)
        and isinstance(spot.parent.operator, cst.Divide)
        and spot.parent.right is spot.node
    )
    if is_denominator:
        yield f"{tight(spot.text)}.clamp(min=1)"
        yield f"{spot.text} + {GUARD}"
    if call and call.name in ("rsqrt", "sqrt", "log") and call.subject:
        inner = f"{call.subject} + {GUARD}"
        yield f"({inner}).{call.name}()" if call.is_method else call.text(args=(inner, *call.options))
    if call and call.name == "sum" and not is_denominator:
        yield f"{spot.text}.clamp(min=1)"
    if call and call.name in ("std", "var") and not is_denominator:
        yield f"{spot.text} + {GUARD}"


def guarded(spot: Spot) -> Iterator[str]:
    """A deviation of a group kept off zero: by next to nothing, or by what libraries for groups add, which shows."""
    match spot.parent:
        case cst.BinaryOperation(operator=cst.Divide(), right=divisor):
            if divisor is spot.node:
                yield f"{spot.text} + {GUARD}"
                yield f"{spot.text} + {GROUP_GUARD}"


def one_sample(spot: Spot) -> Iterator[str]:
    """The deviation of one value: that of the population, none at all, or no normalisation of a single sample."""
    call = called(spot)
    is_spread = call is not None and call.name in ("std", "var")
    if call and is_spread and not any(word in spot.text for word in ("unbiased", "correction", "ddof")):
        yield call.text(args=(*call.args, "correction=0"))
        yield f"{spot.text}.nan_to_num()"
    if isinstance(spot.node, cst.BinaryOperation) and ".std(" in spot.text:
        yield from (
            f"{spot.text} if len({name}) > 1 else {name}" for name in spot.scope.of("advantage") if name in spot.text
        )


def widened(spot: Spot) -> Iterator[str]:
    """The computation in float32."""
    call = called(spot)
    if call and call.name in ("bfloat16", "half"):
        yield call.subject
    node = spot.node
    if isinstance(node, cst.BinaryOperation):
        left, right = spot.code(node.left), spot.code(node.right)
        yield f"{tight(left)}.float() {spot.code(node.operator).strip()} {tight(right)}.float()"
    elif isinstance(node, (cst.Name, cst.Attribute)):
        yield f"{spot.text}.float()"


def as_mask(spot: Spot) -> Iterator[str]:
    """A mask of any dtype, turned round."""
    if isinstance(spot.node, cst.UnaryOperation) and isinstance(spot.node.operator, cst.BitInvert):
        inner = spot.code(spot.node.expression)
        yield f"{inner} == 0"
        yield f"~{inner}.bool()"
    if isinstance(spot.node, cst.BinaryOperation) and spot.text.replace(" ", "").startswith("1-"):
        inner = spot.code(spot.node.right)
        yield f"1 - {tight(inner)}.float()"
        yield f"1.0 - {tight(inner)}"
    if spot.text in spot.scope.masks or spot.text in spot.scope.of("done", "terminated", "truncated"):
        yield f"{spot.text}.bool()"
        yield f"{spot.text}.float()"
