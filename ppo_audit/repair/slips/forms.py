"""Formulas of the trade that are written wrong as a whole: the clip, the ratio, the divergence, log-probs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from ppo_audit.repair.slips.arithmetic import is_whole, parts_of
from ppo_audit.repair.slips.called import called
from ppo_audit.repair.slips.names import exchanged, word
from ppo_audit.repair.source import LEAVES, Spot, role_named, tight


def clip_around_one(spot: Spot) -> Iterator[str]:
    """The bounds of a clamp as 1 - eps and 1 + eps, for every radius that is in reach."""
    call = called(spot)
    if not call or call.name not in ("clamp", "clip") or not call.subject:
        return
    ranges = [*spot.scope.of("clip_range"), *spot.unused]
    apart = [(low, high) for low in ranges for high in spot.scope.of("clip_range_high")]
    for low, high in dict.fromkeys((*apart, *((each, each) for each in ranges))):
        yield call.text(args=_bounds(call.args, call.is_method, f"1 - {low}", f"1 + {high}"))
    for radius in (*spot.scope.of("clip_range_value"), *spot.scope.of("clip_range")):
        yield call.text(args=_bounds(call.args, call.is_method, f"-{radius}", radius))


def clamped(spot: Spot) -> Iterator[str]:
    """A factor, or what is chosen, within 1 - eps and 1 + eps, for every radius that is in reach."""
    is_part = isinstance(spot.parent, cst.BinaryOperation | cst.Assign | cst.Arg)
    if isinstance(spot.node, cst.Name) and is_part and role_named(spot.text) in (None, "ratio"):
        lows = spot.scope.of("clip_range")
        apart = [(low, high) for low in lows for high in spot.scope.of("clip_range_high")]
        for low, high in (*apart, *((each, each) for each in lows)):
            yield f"{spot.text}.clamp(1 - {low}, 1 + {high})"
            yield f"{spot.text}.clamp(min=1 - {low})"
            yield f"{spot.text}.clamp(max=1 + {high})"


def _bounds(args: tuple[str, ...], is_method: bool, low: str, high: str) -> tuple[str, ...]:
    return (low, high) if is_method else (args[0], low, high)


def bounds(spot: Spot) -> Iterator[str]:
    """Bounds of a clamp exchanged, negated or opened to the other side."""
    call = called(spot)
    if not call or call.name not in ("clamp", "clip") or not call.subject:
        return
    args = [re.sub(r"^(min|max)\s*=\s*", "", each) for each in call.options]
    if len(args) == 2:
        yield call.text(args=_bounds(call.args, call.is_method, args[1], args[0]))
        used = [name for name in spot.scope.scalars if re.search(word(name), spot.text)]
        if len(used) == 2:
            low, high = (exchanged(each, *used) for each in args)
            yield call.text(args=_bounds(call.args, call.is_method, low, high))
    for side in ("min", "max"):
        for each in call.options:
            if each.startswith(f"{side}="):
                bound = each.partition("=")[2].strip()
                other = bound.replace("+", "-") if "+" in bound else bound.replace(" - ", " + ")
                pair = (other, bound) if side == "max" else (bound, other)
                yield call.text(args=_bounds(call.args, call.is_method, *pair))


def exponential(spot: Spot) -> Iterator[str]:
    """The exponential of a difference, where there is the difference, a quotient or a first order of it.

    Not of what a call works on: that may be an exponential of some base.
    """
    node = spot.node
    if not isinstance(node, cst.BinaryOperation) or isinstance(spot.parent, cst.Arg | cst.Attribute):
        return
    left, sign, right = parts_of(spot)
    if sign == "-":
        yield f"torch.exp({left} - {right})"
    if sign == "/":
        yield f"torch.exp({left} - {right})"
    if sign == "+" and left in ("1", "1.0"):
        yield f"torch.exp({spot.code(node.right)})"


def pessimistic(spot: Spot) -> Iterator[str]:
    """The clipped product alone, as the smaller one of both; the unclipped one too, where a clip range is in reach."""
    node = spot.node
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply):
        left, _, right = parts_of(spot)
        for one, other in ((left, right), (right, left)):
            for radius in spot.scope.of("clip_range"):
                product = f"{one} * {other}"
                clipped = f"torch.clamp({one}, 1 - {radius}, 1 + {radius}) * {other}"
                yield f"torch.min({product}, {clipped})"
                yield f"torch.max({product}, {clipped})"
    call = called(spot)
    if call and call.name in ("min", "max", "minimum", "maximum") and len(call.positional) == 2:
        one, two = call.positional
        if isinstance(spot.parent, cst.BinaryOperation):
            return
        products = [re.fullmatch(r"(.+) \* (\w+)", each) for each in (one, two)]
        if products[0] and products[1]:
            yield call.text()


def factor_inside(spot: Spot) -> Iterator[str]:
    """min(r, clip(r)) * A as min(r * A, clip(r) * A)."""
    node = spot.node
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Multiply):
        return
    for call_node, factor in ((node.left, node.right), (node.right, node.left)):
        if isinstance(call_node, cst.Call) and re.search(r"(min|max)(imum)?$", spot.code(call_node.func)):
            args = [spot.code(each.value) for each in call_node.args]
            text = tight(spot.code(factor))
            if len(args) == 2:
                yield f"{spot.code(call_node.func)}({', '.join(f'{tight(each)} * {text}' for each in args)})"


def clamp_of_factor(spot: Spot) -> Iterator[str]:
    """clamp(r * A, ...) as clamp(r, ...) * A."""
    call = called(spot)
    node = spot.node
    if not call or call.name not in ("clamp", "clip") or call.is_method or not isinstance(node, cst.Call):
        return
    inner = node.args[0].value
    if isinstance(inner, cst.BinaryOperation) and isinstance(inner.operator, cst.Multiply):
        one, other = tight(spot.code(inner.left)), tight(spot.code(inner.right))
        yield f"{call.text(args=(one, *call.args[1:]))} * {other}"
        yield f"{call.text(args=(other, *call.args[1:]))} * {one}"


def radius_of_values(spot: Spot) -> Iterator[str]:
    """V as V_old + clamp(V - V_old, -c, c), for every value, old value and radius in reach.

    Beside the clamp of a drift stands what the drift is counted from.
    """
    call, centre = called(spot), _added_to(spot)
    if not call or call.name not in ("clamp", "clip"):
        return
    for old in (centre,) if centre else (*spot.scope.of("old_value"), *spot.scope.of("value")):
        for new in (each for each in spot.scope.of("value", "old_value") if each != old):
            for radius in (*spot.scope.of("clip_range_value"), *spot.scope.of("clip_range")):
                if not centre:
                    yield f"{old} + torch.clamp({new} - {old}, -{radius}, {radius})"
                    yield f"torch.clamp({new}, {old} - {radius}, {old} + {radius})"
                yield f"torch.clamp({new} - {old}, -{radius}, {radius})"


def _added_to(spot: Spot) -> str:
    """What an expression is added to; nothing where it is no summand."""
    match spot.parent:
        case cst.BinaryOperation(left=left, operator=cst.Add(), right=right):
            return spot.code(left if right is spot.node else right)
    return ""


def estimator(spot: Spot) -> Iterator[str]:
    """k3 = r - 1 - log r, without cancellation, with each sign of the difference."""
    match = re.fullmatch(r"torch\.exp\((\w+)\) - 1 - \1", spot.text)
    if match:
        yield f"torch.expm1({match[1]}) - {match[1]}"
    match = re.fullmatch(r"-(\w+)", spot.text)
    if match:
        yield f"torch.exp({match[1]}) - {match[1]} - 1"
        yield f"torch.exp(-{match[1]}) + {match[1]} - 1"
    match = re.fullmatch(r"\(?(\w+)\.exp\(\)\)? - 1 - \1", spot.text)
    if match:
        yield f"(-{match[1]}).exp() - 1 + {match[1]}"
    match = re.search(r"\b(\w+)\b", spot.text)
    if isinstance(spot.node, cst.BinaryOperation) and "ratio" in spot.text and match:
        yield "(ratio - 1) - log_ratio"


def stable_log(spot: Spot) -> Iterator[str]:
    """Log-probs by a function that shifts first and adds no epsilon."""
    text = spot.text
    match = re.fullmatch(r"torch\.log\(torch\.softmax\((.+?)\) \+ [\d.e-]+\)", text)
    if match:
        yield f"torch.log_softmax({match[1]})"
    match = re.fullmatch(r"(\w+) - torch\.log\(torch\.exp\(\1\)\.sum\(-1, keepdim=True\)\)", text)
    if match:
        yield f"torch.log_softmax({match[1]}, dim=-1)"


def centred(spot: Spot) -> Iterator[str]:
    """A variance or a squared difference that subtracts before it squares; a mean that was not taken off."""
    text = spot.text
    match = re.fullmatch(r"\(\((\w+)\s?\*\*\s?2\)\.mean\(\) - \1\.mean\(\) ?\*\* ?2\)\.sqrt\(\)", text)
    if match:
        yield f"{match[1]}.std(correction=0)"
    match = re.fullmatch(r"(\w+)\.square\(\) - 2 \* \1 \* (\w+) \+ \2\.square\(\)", text)
    if match:
        yield f"({match[1]} - {match[2]}).square()"
    if isinstance(spot.node, (cst.Name, cst.Attribute)):
        yield f"({text} - {text}.mean())"
        yield from (f"({text} - {each})" for each in reversed(spot.scope.names) if "mean" in each)


def bounded(spot: Spot) -> Iterator[str]:
    """An exponent that cannot overflow, at several bounds."""
    call = called(spot)
    if call and call.name == "exp" and call.subject:
        for bound in ("10.0", "5.0"):
            inner = f"torch.clamp({call.subject}, -{bound}, {bound})"
            yield f"{inner}.exp()" if call.is_method else call.text(args=(inner,))


def raw(spot: Spot) -> Iterator[str]:
    """What was normalised, as it is."""
    match = re.fullmatch(r"\((\w+) - \1\.mean\(\)\) / \(\1\.std\(.*\).*\)", spot.text)
    if match:
        yield match[1]


def group_means(spot: Spot) -> Iterator[str]:
    """The mean of the group in place of the mean of the batch."""
    call = called(spot)
    if call and call.name == "mean" and call.subject and not call.options:
        yield from _mean_of_other(spot)
        yield call.text(args=(*call.args, "axis=1", "keepdims=True"))
        yield call.text(args=(*call.args, "dim=-1", "keepdim=True"))
        yield from (f"{name}[{index}]" for name in spot.scope.names if "mean" in name
                    for index in spot.scope.of("group"))  # fmt: skip
    for key, other in (("dim=0", "dim=-1"), ("dim=-1", "dim=0"), ("axis=0", "axis=1")):
        if call and key in call.args:
            yield call.text(args=tuple(other if each == key else each for each in call.args))


def _mean_of_other(spot: Spot) -> Iterator[str]:
    """x - Y.mean() as x - x.mean()."""
    match spot.parent:
        case cst.BinaryOperation(left=left, operator=cst.Subtract(), right=right):
            if right is spot.node and isinstance(left, LEAVES):
                yield f"{spot.code(left)}.mean()"


def extremum_of_squares(spot: Spot) -> Iterator[str]:
    """max(a, b)**2 as max(a**2, b**2)."""
    inner: cst.CSTNode | None = None
    match spot.node:
        case cst.BinaryOperation(left=left, operator=cst.Power()):
            inner = left
        case cst.Call(func=cst.Attribute(value=value, attr=cst.Name(value="pow" | "square"))):
            inner = value
    if isinstance(inner, cst.Call) and re.search(r"(min|max)(imum)?$", spot.code(inner.func)) and len(inner.args) == 2:
        one, other = (tight(spot.code(each.value)) for each in inner.args)
        yield f"{spot.code(inner.func)}({one} ** 2, {other} ** 2)"


def not_negative(spot: Spot) -> Iterator[str]:
    """A number kept from falling below zero."""
    if is_whole(spot) and isinstance(spot.node, cst.BinaryOperation):
        yield f"max({spot.text}, 0.0)"


def of_other_value(spot: Spot) -> Iterator[str]:
    """Values added to advantages, and the other way round."""
    if isinstance(spot.node, LEAVES):
        for name in spot.scope.of("value", "old_value"):
            yield f"{spot.text} + {name}"
            yield f"{spot.text} - {name}"
