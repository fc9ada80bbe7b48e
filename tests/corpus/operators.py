"""Slips that authors make, as edits of one expression, and designs that look like slips and are none.

An operator belongs to a quantity: the same edit is a fault at one place and another author's choice at the next. What
it is there, and which rules would be right to say so, is decided here for the whole class, before any tool is run.
Left out, as nobody can tell: the two log-probs of a ratio swapped where both are given (a correct loss on negative
log-probs), advantages scaled without their mean removed ("lite" GRPO), and the two sides of a KL exchanged.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass

from .quantities import View

NEW, OLD, CREDIT = {"new", "policy"}, {"old", "old policy"}, {"advantage", "reward"}
VALUE = {"value", "old value", "return", "mask"}

Edit = Callable[[ast.AST, View], str | None]


@dataclass(frozen=True)
class Operator:
    """`edit` gives the new text of a node, or nothing where the slip cannot be made. No owners: none can be named."""

    name: str
    edit: Edit
    owners: tuple[str, ...] = ()
    is_fault: bool = True
    hazards: tuple[str, ...] = ()


# --- what a node is -------------------------------------------------------------------------------------------------


def _is_surrogate(roles: frozenset[str]) -> bool:
    return bool(roles & NEW and roles & CREDIT) and not roles & {"value", "entropy", "kl"}


def _is_ratio(roles: frozenset[str]) -> bool:
    return bool(roles & NEW and roles & OLD) and roles <= NEW | OLD | {"mask"}


def _is_value(roles: frozenset[str]) -> bool:
    return {"value", "return"} <= roles <= VALUE


def _is_near_old_value(roles: frozenset[str]) -> bool:
    return {"value", "old value"} <= roles <= VALUE - {"return"}


def _is_credit(roles: frozenset[str]) -> bool:
    return bool(roles) and roles <= CREDIT | {"mask"} and bool(roles & CREDIT)


def _is_entropy(roles: frozenset[str]) -> bool:
    return "entropy" in roles and roles <= {"entropy", "mask", "policy"}


def _is_kl(roles: frozenset[str]) -> bool:
    return "kl" in roles and not roles & {"advantage", "entropy"}


def _is_log_prob(roles: frozenset[str]) -> bool:
    return bool(roles) and roles <= NEW | OLD


def _is_over_last_axis(text: str) -> bool:
    return text.endswith(("sum(-1)", "sum(1)", "sum(dim=-1)"))


def _is_mask(roles: frozenset[str]) -> bool:
    return roles == {"mask"}


Test = Callable[[frozenset[str]], bool]


def _method(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _receiver(node: ast.Call) -> ast.expr:
    """x of `x.f(...)` and of `torch.f(x, ...)`."""
    assert isinstance(node.func, ast.Attribute)
    return node.args[0] if isinstance(node.func.value, ast.Name) and node.func.value.id == "torch" else node.func.value


def _is_product(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _is_coefficient(node: ast.AST, view: View) -> bool:
    return not view.roles(node) and any(part in view.segment(node) for part in ("coef", "beta", "weight", "c1", "c2"))


# --- edits ----------------------------------------------------------------------------------------------------------


def swapped_call(pairs: dict[str, str], test: Test, arguments: int = 2) -> Edit:
    """A call of two tensors by another name: the maximum for the minimum."""

    def edit(node: ast.AST, view: View) -> str | None:
        name = _method(node)
        if name not in pairs or len(node.args) != arguments or not test(view.roles(node)):
            return None
        return view.segment(node).replace(f".{name}(", f".{pairs[name]}(", 1)

    return edit


def renamed_method(old: str, new: str, test: Test, part: Callable[[str], bool] = lambda text: True) -> Edit:
    """`x.old(...)` as `x.new(...)`, the last call of the expression."""

    def edit(node: ast.AST, view: View) -> str | None:
        if (
            view.is_of_kl(node)
            or _method(node) != old
            or not isinstance(node.func, ast.Attribute)
            or not test(view.roles(node))
        ):
            return None
        text, head = view.segment(node), view.segment(node.func.value)
        return head + text[len(head) :].replace(f".{old}(", f".{new}(", 1) if part(text) else None

    return edit


def dropped_method(names: tuple[str, ...], test: Test, wanted: str = "") -> Edit:
    """`x.f(...)` and `torch.f(x, ...)` as x."""

    def edit(node: ast.AST, view: View) -> str | None:
        if _method(node) not in names or not isinstance(node.func, ast.Attribute) or not test(view.roles(node)):
            return None
        rest = "".join(view.segment(part) for part in [*node.args, *(k.value for k in node.keywords)])
        return f"({view.segment(_receiver(node))})" if wanted in rest else None

    return edit


def wrapped(text: str, test: Callable[[ast.AST, View], bool]) -> Edit:
    """An expression x as a text with x in it."""
    return lambda node, view: text.format(f"({view.segment(node)})") if test(node, view) else None


def operator_changed(old: type, new: str, test: Callable[[ast.BinOp, View], bool]) -> Edit:
    """`a - b` as `a + b`."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, old) and test(node, view)):
            return None
        right = view.segment(node.right)
        return f"{view.segment(node.left)} {new} " + (f"({right})" if isinstance(node.right, ast.BinOp) else right)

    return edit


def sides_swapped(test: Callable[[ast.BinOp, View], bool]) -> Edit:
    """`a - b` as `b - a`."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and test(node, view)):
            return None
        return f"({view.segment(node.right)}) - ({view.segment(node.left)})"

    return edit


def minus_dropped(test: Callable[[ast.UnaryOp, View], bool]) -> Edit:
    """`-x` as `x`."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and test(node, view)):
            return None
        return f"({view.segment(node.operand)})"

    return edit


def factor_dropped(which: Callable[[ast.AST, View], bool], other: Test) -> Edit:
    """`a * b` without the factor that is meant."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not _is_product(node):
            return None
        for factor, rest in ((node.right, node.left), (node.left, node.right)):
            if which(factor, view) and other(view.roles(rest)):
                return f"({view.segment(rest)})"
        return None

    return edit


def factor_squared(other: Test) -> Edit:
    """`coef * x` as `coef * coef * x`: multiplied once where it is made and once where it is added."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not _is_product(node):
            return None
        for factor, rest in ((node.right, node.left), (node.left, node.right)):
            if _is_coefficient(factor, view) and other(view.roles(rest)):
                return f"{view.segment(factor)} * {view.segment(node)}"
        return None

    return edit


def renamed(role: str, to: str, test: Test) -> Edit:
    """A call's or a difference's argument of one role exchanged for another argument: the old value for the new."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub) or not test(view.roles(node)):
            return None
        if view.is_of_kl(node):
            return None
        sides = [side for side in (node.left, node.right) if view.roles(side) == {role}]
        other = view.named(to)
        if len(sides) != 1 or other is None or not isinstance(sides[0], ast.Name):
            return None
        return view.segment(node).replace(sides[0].id, other) if sides[0].id not in other else None

    return edit


def comparison_turned(test: Test) -> Edit:
    """`<` for `>` and `==` for `!=`."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not isinstance(node, ast.Compare) or not test(view.roles(node)):
            return None
        turned = {ast.Lt: ">", ast.Gt: "<", ast.GtE: "<", ast.LtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
        sign = turned.get(type(node.ops[0]))
        return f"{view.segment(node.left)} {sign} {view.segment(node.comparators[0])}" if sign else None

    return edit


def one_sided(new: str) -> Edit:
    """A bound of the clip, `1 - eps` or `1 + eps`, put otherwise."""

    def edit(node: ast.AST, view: View) -> str | None:
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub | ast.Add):
            return None
        text, sign = view.segment(node.right), "-" if isinstance(node.op, ast.Sub) else "+"
        if not (isinstance(node.left, ast.Constant) and node.left.value == 1) or not _is_radius(text):
            return None
        return new.format(eps=text, sign=sign, other="+" if sign == "-" else "-")

    return edit


def _is_radius(text: str) -> bool:
    return any(part in text.lower() for part in ("clip", "eps", "low", "high"))


def _constant(old: float, new: str) -> Edit:
    return lambda node, view: new if isinstance(node, ast.Constant) and node.value == old else None


def _default(old: float, new: str) -> Edit:
    """The default of an argument."""
    return lambda node, view: new if node in view.defaults and getattr(node, "value", None) == old else None


def _read(node: ast.AST, view: View, role: str) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and view.roles(node) == {role}


def _guard(node: ast.AST, view: View) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value < 1e-3


def _guarded_spread(node: ast.BinOp, view: View) -> bool:
    return (_guard(node.right, view) and _is_credit(view.roles(node.left))) or (
        _guard(node.right, view) and any(part in view.segment(node.left) for part in ("std", "spread"))
    )


def epsilon_dropped(node: ast.AST, view: View) -> str | None:
    """`std + 1e-8` as `std`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _guarded_spread(node, view):
        return f"({view.segment(node.left)})"
    return None


def population(node: ast.AST, view: View) -> str | None:
    """`x.std()` as `x.std(unbiased=False)`."""
    if _method(node) == "std" and not node.args and not node.keywords and _is_credit(view.roles(node)):
        return view.segment(node).removesuffix(")") + "unbiased=False)"
    return None


def _summed(node: ast.AST, view: View) -> str | None:
    """The mean over a surrogate as a sum."""
    text = view.segment(node) if _method(node) == "mean" and _is_surrogate(view.roles(node)) else ""
    return text.removesuffix(".mean()") + ".sum()" if text.endswith(".mean()") else None


def _only_mean(node: ast.AST, view: View) -> str | None:
    """In a loss of one reduction: the caller divides."""
    return _summed(node, view) if view.text.count("mean(") == 1 else None


def _one_of_means(node: ast.AST, view: View) -> str | None:
    """In a loss whose other terms are means."""
    roles = {
        role
        for reduced in ast.walk(view.tree)
        if _method(reduced) in ("mean", "mse_loss")
        for role in view.roles(reduced)
    }
    return _summed(node, view) if roles & {"value", "entropy", "kl"} else None


def _difference_of(node: ast.BinOp, view: View) -> bool:
    left, right = view.roles(node.left), view.roles(node.right)
    if view.is_of_kl(node):
        return False
    return bool(left & NEW and right & OLD) and not (left & OLD or right & NEW or (left | right) & CREDIT)


def _own_difference(node: ast.BinOp, view: View) -> bool:
    return _difference_of(node, view) and "policy" in view.roles(node.left)


def _right(test: Test) -> Callable[[ast.BinOp, View], bool]:
    """A sum or difference of terms whose right one is meant: it has other quantities on its left."""
    return lambda node, view: test(view.roles(node.right)) and bool(view.roles(node.left) & (NEW | CREDIT))


def _centred(node: ast.BinOp, view: View) -> bool:
    return _is_credit(view.roles(node)) and "mean" in view.segment(node.right) and bool(view.roles(node.left))


def _error(node: ast.BinOp, view: View) -> bool:
    """A prediction against its target; a constant beside an error moves the loss and no gradient."""
    left, right = view.roles(node.left), view.roles(node.right)
    return _is_value(left | right) and bool(left and right) and "return" in left ^ right


def _value_drift(node: ast.BinOp, view: View) -> bool:
    return view.roles(node.left) == {"value"} and view.roles(node.right) == {"old value"}


def _whole_term(node: ast.UnaryOp, view: View) -> bool:
    text = view.segment(node.operand)
    return _is_surrogate(view.roles(node)) and any(
        part in text for part in ("min(", "max(", "minimum(", "where(", "sum(")
    )


def _branch(node: ast.UnaryOp, view: View) -> bool:
    return view.roles(node) in ({"advantage"}, {"reward"})


def _value_name(node: ast.AST, view: View) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _error(node, view)


def _log_ratio(node: ast.AST, view: View) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _difference_of(node, view)


def _exponential(node: ast.AST, view: View) -> bool:
    return (
        _method(node) == "exp"
        and not view.is_of_kl(node)
        and _is_ratio(view.roles(node))
        and bool(view.roles(node) & NEW)
    )


def inside(text: str) -> Edit:
    """`exp(x)` as a text with x in it."""
    return lambda node, view: text.format(view.segment(_receiver(node))) if _exponential(node, view) else None


def column_lost(node: ast.AST, view: View) -> str | None:
    """`values - returns` with values as a column, as a network gives them."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and _error(node, view):
        left, right = (view.segment(side) for side in (node.left, node.right))
        return (
            f"({left}).unsqueeze(-1) - {right}"
            if "value" in view.roles(node.left)
            else f"{left} - ({right}).unsqueeze(-1)"
        )
    return None


EXTREMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
CLIP = ("clamp", "clip")
TERM = (ast.Sub, "+"), (ast.Add, "-")


def _sign_of(name: str, test: Test, owner: str) -> tuple[Operator, ...]:
    return tuple(Operator(name, operator_changed(old, new, _right(test)), (owner, "PPO510")) for old, new in TERM)


FAULTS = (
    # the surrogate: the wrong one of the two, the wrong sign, the wrong side of the clip
    Operator("surrogate: min and max swapped", swapped_call(EXTREMES, _is_surrogate), ("PPO102", "PPO103", "PPO108")),
    Operator("surrogate: sign of the term lost", minus_dropped(_whole_term), ("PPO104",)),
    Operator("surrogate: sign of one branch lost", minus_dropped(_branch), ("PPO102", "PPO103", "PPO104", "PPO204")),
    Operator("surrogate: comparison of signs turned", comparison_turned(_is_credit),
             ("PPO102", "PPO103", "PPO104", "PPO108")),
    Operator("surrogate: clip lost", dropped_method(CLIP, _is_ratio, "1"), ("PPO102", "PPO106")),
    Operator("clip: bound on the other side of 1", one_sided("1 {other} {eps}"),
             ("PPO102", "PPO103", "PPO106", "PPO107")),
    Operator("clip: radius for bound", one_sided("{eps}"), ("PPO102", "PPO103", "PPO106", "PPO107")),
    Operator("clip: radius squared", one_sided("1 {sign} {eps} ** 2"), ("PPO106",)),
    Operator("clip: radius is a constant", one_sided("1 {sign} 0.2"), ("PPO106", "PPO007")),
    # the ratio
    Operator("ratio: exp forgotten", inside("(1 + ({}))"), ("PPO105",)),
    Operator("ratio: another base", inside("torch.exp2({})"), ("PPO105",)),
    Operator("ratio: sum of log-probs", operator_changed(ast.Sub, "+", _difference_of), ("PPO105", "PPO104")),
    Operator("ratio: inverted, from own log-probs", sides_swapped(_own_difference), ("PPO104",)),
    Operator("ratio: detached", wrapped("{}.detach()", _log_ratio), ("PPO104", "PPO113")),
    Operator("ratio: old for new", renamed("new", "old", _is_ratio), ("PPO104",)),
    Operator("ratio: new for old", renamed("old", "new", _is_ratio), ("PPO104",)),
    Operator("ratio: mean over the batch", wrapped("{}.mean()", _log_ratio),
             ("PPO110", "PPO507", "PPO104", "PPO113", "PPO501")),
    # advantages
    Operator("normalisation: variance for deviation", renamed_method("std", "var", _is_credit), ("PPO203", "PPO805")),
    Operator("normalisation: guard of the deviation lost", epsilon_dropped, ("PPO202", "PPO803")),
    Operator("normalisation: mean added", operator_changed(ast.Sub, "+", _centred), ("PPO203", "PPO801")),
    Operator("normalisation: sign turned", sides_swapped(_centred), ("PPO104", "PPO203", "PPO206", "PPO801")),
    Operator("normalisation: sum for mean", renamed_method("mean", "sum", _is_credit), ("PPO203", "PPO801")),
    # the value loss
    Operator("value: min and max swapped", swapped_call(EXTREMES, _is_value), ("PPO302",)),

                Operator("value: bounds of the clip swapped", swapped_call(EXTREMES, _is_near_old_value),
             ("PPO302", "PPO303")),
    Operator("value: sum for difference", operator_changed(ast.Sub, "+", _error), ("PPO301", "PPO302")),
    Operator("value: square forgotten", dropped_method(("square", "pow"), _is_value), ("PPO301", "PPO302")),
    Operator("value: detached", wrapped("{}.detach()", _value_name), ("PPO301", "PPO302")),
    Operator("value: old for new", renamed("value", "old value", _is_value), ("PPO301", "PPO302")),
    Operator("value: prediction is a column", column_lost, ("PPO508", "PPO507", "PPO301")),
    Operator("value clip: drift added", operator_changed(ast.Sub, "+", _value_drift), ("PPO302", "PPO303")),
    Operator("value clip: drift turned", sides_swapped(_value_drift), ("PPO301", "PPO302", "PPO303")),
    # terms and coefficients
    *_sign_of("value: sign of the term", _is_value, "PPO301"),
    *_sign_of("entropy: sign of the term", _is_entropy, "PPO401"),
    *_sign_of("KL: sign of the term", _is_kl, "PPO413"),
    Operator("value: coefficient forgotten", factor_dropped(_is_coefficient, _is_value),
             ("PPO305", "PPO007", "PPO510")),
    Operator("entropy: coefficient forgotten", factor_dropped(_is_coefficient, _is_entropy),
             ("PPO404", "PPO007", "PPO510")),
    Operator("KL: coefficient forgotten", factor_dropped(_is_coefficient, _is_kl), ("PPO007", "PPO510")),
    Operator("value: coefficient twice", factor_squared(_is_value), ("PPO305", "PPO510")),
    Operator("entropy: coefficient twice", factor_squared(_is_entropy), ("PPO404", "PPO510")),
    Operator("reduction: sum beside a mean", _one_of_means, ("PPO505", "PPO506", "PPO509")),
    # masks and axes
    Operator("mask: forgotten", factor_dropped(lambda n, v: _is_mask(v.roles(n)), lambda r: bool(r) and r != {"mask"}),
             ("PPO501", "PPO502", "PPO205", "PPO505")),
    Operator("mask: inverted", wrapped("(1 - {})", lambda n, v: _read(n, v, "mask")),
             ("PPO501", "PPO502", "PPO205", "PPO505")),
    Operator("mask: comparison turned", comparison_turned(_is_mask), ("PPO501", "PPO502")),
    Operator("action dimensions: mean of log-probs",
             renamed_method("sum", "mean", _is_log_prob, _is_over_last_axis),
             ("PPO111", "PPO105")),
    Operator("action dimensions: mean of entropies",
             renamed_method("sum", "mean", _is_entropy, _is_over_last_axis),
             ("PPO402",)),
)  # fmt: skip

DESIGNS = (
    Operator("reduction: sum for the mean over everything", _only_mean, is_fault=False),
    Operator("normalisation: population deviation", population, is_fault=False),
    Operator("normalisation: larger guard", _constant(1e-8, "1e-5"), is_fault=False),
    Operator("default: another value coefficient", _default(0.5, "1.0"), is_fault=False),
    Operator("value: sides of the square exchanged", sides_swapped(_error), is_fault=False),
    Operator("value clip: dropped", dropped_method(CLIP, _is_near_old_value),
             is_fault=False),
    Operator("ratio: guard at 20 becomes 10", _constant(20.0, "10.0"), is_fault=False),
    Operator("ratio: guard added", wrapped("torch.clamp({}, -10.0, 10.0)", _log_ratio), is_fault=False),
    Operator("default: another radius", _default(0.2, "0.1"), is_fault=False),
    Operator("default: another entropy coefficient", _default(0.01, "0.005"), is_fault=False),
    Operator("advantage: detached", wrapped("{}.detach()", lambda n, v: _read(n, v, "advantage")),
             is_fault=False),
    Operator("old log-prob: detached", wrapped("{}.detach()", lambda n, v: _read(n, v, "old")),
             is_fault=False),
)  # fmt: skip
"""Other correct losses: what is said of them at or above serious, beyond the hazards of the base, is a false alarm."""
