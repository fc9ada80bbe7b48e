"""Slips in source text, undone one at a time: what may stand in place of an expression, likeliest first.

Where a helper is plain Python, or loops over steps, one recorded call is too little to replace: the line is.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from ppo_audit.targets.names import role_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
OTHER_NAME = {
    "var": "std", "std": "var", "mean": "sum", "sum": "mean", "min": "max", "max": "min", "repeat": "repeat_interleave",
    "repeat_interleave": "repeat", "minimum": "maximum", "maximum": "minimum", "log2": "log", "log10": "log",
    "tile": "repeat", "softmax": "log_softmax",
    "amin": "amax", "amax": "amin", "logical_and": "logical_or",
}  # fmt: skip
FUNCTIONS = ("exp", "log", "abs", "sqrt", "square")
"""Elementwise functions that are taken for one another."""
OTHER_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
MOST_INSERTED = 12
"""Different factors and summands of a function that are tried as forgotten ones."""


@dataclass(frozen=True)
class Slot:
    """A place in a syntax tree that holds an expression."""

    parent: ast.AST
    field: str
    index: int | None
    node: ast.expr

    def put(self, expression: ast.expr | ast.stmt) -> None:
        """Set what stands here."""
        if self.index is None:
            setattr(self.parent, self.field, expression)
        else:
            getattr(self.parent, self.field)[self.index] = expression


@dataclass(frozen=True)
class Pair:
    """Two statements in a row, the first of which is the node."""

    body: list[ast.stmt]
    index: int
    node: ast.stmt

    def put(self, expression: ast.expr | ast.stmt) -> None:
        """Exchange the two, whatever is put: what is put in is taken out again."""
        self.body[self.index : self.index + 2] = self.body[self.index : self.index + 2][::-1]


@dataclass(frozen=True)
class Slip:
    """One expression or statement, and what may belong in its place."""

    slot: Slot | Pair
    instead: ast.expr | ast.stmt

    @property
    def kind(self) -> str:
        """What is done, without the place: edits of one kind may do the same at several lines."""
        was, now = ast.unparse(self.slot.node), ast.unparse(self.instead)
        if any(turn in now and turn not in was for turn in TURNS):
            return "turned"
        return now.replace(f"({was})", "{0}").replace(was, "{0}")


TURNS = ("[::-1]", "reversed(", ".insert(0")
"""Signs of a sequence that is turned round."""


def slips(function: Function) -> Iterator[Slip]:
    """Everything to try in one function: slips inside expressions, wrong names, what was put in or left out."""
    slots = list(_slots(function))
    yield from _exchanged(function)
    for inside in (_tested, _bounded, _compared, _rewritten, _renamed, _dropped, _numbers_named):
        yield from (Slip(slot, instead) for slot in slots for instead in inside(slot.node, function))
    yield from _insertions(function, slots)
    yield from (Slip(slot, instead) for slot in slots for instead in _called_like(slot.node, function))


def _exchanged(function: Function) -> Iterator[Slip]:
    """Two assignments in a row the other way round."""
    for block in ast.walk(function):
        found = getattr(block, "body", None)
        body: list[ast.stmt] = found if isinstance(found, list) else []
        for index, (first, second) in enumerate(itertools.pairwise(body)):
            if isinstance(first, ast.Assign) and isinstance(second, ast.Assign):
                yield Slip(Pair(body, index, first), second)


def _slots(function: Function) -> Iterator[Slot]:
    """Every expression of the body that is read, in the order of the source, outer ones first."""
    pending: list[ast.AST] = list(reversed(function.body))
    while pending:
        parent = pending.pop()
        if is_tick(parent):
            continue
        inner: list[ast.AST] = []
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
                    yield Slot(parent, field, index, node)
                if isinstance(node, ast.AST):
                    inner.append(node)
        pending.extend(reversed(inner))


TICK = "__tick"


def with_ticks(function: Function) -> None:
    """Let every loop call `__tick` first, which may stop it: an edit can make a loop endless."""
    for node in ast.walk(function):
        if isinstance(node, ast.For | ast.While):
            node.body.insert(0, ast.Expr(ast.Call(ast.Name(TICK, ast.Load()), [], [])))


def is_tick(node: ast.AST) -> bool:
    """Whether a statement was put in by `with_ticks`."""
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == TICK


def _compared(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """A comparison turned round."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER_COMPARISON:
        yield ast.Compare(node.left, [OTHER_COMPARISON[type(node.ops[0])]()], node.comparators)


def _tested(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """A condition where a constant decides: a flag, one of this step, more than one sample."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, bool):
        return
    yield from (ast.Name(name, ast.Load()) for name in _variables(function))
    for name in _variables(function):
        yield from (
            ast.Subscript(ast.Name(name, ast.Load()), ast.Name(index, ast.Load()), ast.Load())
            for index in _loop_variables(function)
        )
        yield ast.parse(f"len({name}) > 1", mode="eval").body


def _bounded(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """A relative error, x / target - 1, no larger than what it is relative to: it has no bound of its own."""
    match node:
        case ast.BinOp(ast.BinOp(_, ast.Div(), _), ast.Sub(), ast.Constant(1)):
            yield ast.parse(f"max(min({ast.unparse(node)}, 1), -1)", mode="eval").body


def _rewritten(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """Another operator, index, operand order or number."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in OTHER_OPERATOR:
            yield ast.BinOp(node.left, OTHER_OPERATOR[type(node.op)](), node.right)
        if isinstance(node.op, ast.Sub | ast.Div):
            yield ast.BinOp(node.right, node.op, node.left)
        yield from _regrouped(node)
    elif isinstance(node, ast.Subscript):
        yield from (ast.Subscript(node.value, index, ast.Load()) for index in _indices(node.slice))
        yield ast.parse(f"{ast.unparse(node.value)}.mean(-1, keepdims=True)", mode="eval").body
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(node.test, node.orelse, node.body)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
        if isinstance(node.op, ast.Invert):  # the bits of a whole number are not its opposite
            yield ast.Compare(node.operand, [ast.Eq()], [ast.Constant(0)])
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _numbers(node.value))


def _regrouped(node: ast.BinOp) -> Iterator[ast.expr]:
    """a - b / c as (a - b) / c, and the other way round."""
    right, left = node.right, node.left
    if isinstance(right, ast.BinOp):
        yield ast.BinOp(ast.BinOp(left, node.op, right.left), right.op, right.right)
        if isinstance(node.op, ast.Mult):
            yield ast.BinOp(right.left, right.op, ast.BinOp(left, node.op, right.right))
    if isinstance(left, ast.BinOp):
        yield ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right))


def _indices(index: ast.expr) -> Iterator[ast.expr]:
    one = ast.Constant(1)
    if (
        isinstance(index, ast.BinOp)
        and isinstance(index.op, ast.Add | ast.Sub)
        and isinstance(index.right, ast.Constant)
    ):
        yield index.left
    elif isinstance(index, ast.Name):
        yield ast.BinOp(index, ast.Add(), one)
        yield ast.BinOp(index, ast.Sub(), one)
    elif isinstance(index, ast.Slice):
        yield ast.Slice(None, ast.UnaryOp(ast.USub(), one), None)
        yield ast.Slice(one, None, None)
        yield ast.Slice(None, None, ast.UnaryOp(ast.USub(), one))
        yield ast.Slice(None, None, None)
    elif isinstance(index, ast.Tuple):
        for position, element in enumerate(index.elts):
            for other in _indices(element):
                yield ast.Tuple([*index.elts[:position], other, *index.elts[position + 1 :]], ast.Load())


def _numbers(value: object) -> tuple[float | int | bool, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return tuple(number for number in (0, 1, -1) if number != value) if abs(value) < 2 else ()
    return tuple(number for number in (0.0, 1.0, 0.5, 1e-8) if number != value) if isinstance(value, float) else ()


def _renamed(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """Another function or method of the kind, or another variable of the function."""
    if isinstance(node, ast.Attribute) and node.attr in OTHER_NAME:
        yield ast.Attribute(node.value, OTHER_NAME[node.attr], ast.Load())
    if isinstance(node, ast.Attribute) and node.attr in FUNCTIONS:
        yield from (ast.Attribute(node.value, name, ast.Load()) for name in FUNCTIONS if name != node.attr)
    if isinstance(node, ast.Name) and node.id in OTHER_NAME:
        yield ast.Name(OTHER_NAME[node.id], ast.Load())
    elif (isinstance(node, ast.Name) and node.id in _variables(function)) or isinstance(node, ast.Subscript):
        yield from (ast.Name(name, ast.Load()) for name in _variables(function) if name != getattr(node, "id", None))


def _numbers_named(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """A variable of the function where a number stands."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield from (ast.Name(name, ast.Load()) for name in _variables(function))


def _called_like(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """The same call with the arguments of another one, and what else the function takes elements of.

    A call of anything cures by chance more often than other slips, so that it comes last.
    """
    if not isinstance(node, ast.Call):
        return
    for other in ast.walk(function):
        if isinstance(other, ast.Call) and other is not node and isinstance(other.func, ast.Attribute):
            yield ast.Call(node.func, other.args, other.keywords)
        if isinstance(other, ast.Subscript) and isinstance(other.ctx, ast.Load):
            yield other


def _variables(function: Function) -> list[str]:
    """Parameters and locals, in order of appearance."""
    arguments = function.args
    given = [each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    made = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return list(dict.fromkeys([*given, *made]))


def _dropped(node: ast.expr, function: Function) -> Iterator[ast.expr]:
    """One operand alone, the argument without the call around it, the loop the other way round."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    elif isinstance(node, ast.Call):
        yield from _over_masks(node, function)
        yield from node.args[:2]
        if isinstance(node.func, ast.Attribute):
            yield node.func.value
            if node.func.attr == "append":
                yield ast.Call(ast.Attribute(node.func.value, "insert", ast.Load()), [ast.Constant(0), *node.args], [])
        if isinstance(node.func, ast.Name) and node.func.id in ("range", "zip", "enumerate"):
            yield ast.Call(ast.Name("reversed", ast.Load()), [node], [])
        for keyword in node.keywords:
            yield ast.Call(node.func, node.args, [other for other in node.keywords if other is not keyword])


def _over_masks(node: ast.Call, function: Function) -> Iterator[ast.expr]:
    """A mean over what is valid, in place of one over all."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "mean" and not node.args:
        subject = ast.unparse(node.func.value)
        for name in _variables(function):
            if role_of(name) == "mask":
                yield ast.parse(f"(({subject}) * {name}).sum() / {name}.sum()", mode="eval").body


def _insertions(function: Function, slots: list[Slot]) -> Iterator[Slip]:
    """What a sum or product of the function may have lost: a factor or summand found elsewhere, 1 - flag, a sign."""
    scalars = [ast.Name(each.arg, ast.Load()) for each in (*function.args.args, *function.args.kwonlyargs)][-3:]
    factors, summands = [*scalars, *_operands(function, ast.Mult)], _operands(function, ast.Add)
    flags = [
        ast.parse(f"(1 - {name}[{index}])", mode="eval").body
        for name in _variables(function)
        for index in _loop_variables(function)
    ]
    given = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
    flags += [ast.parse(f"(1 - {name})", mode="eval").body for name in given]
    summands += [
        ast.Name(name, ast.Load())
        for name in _variables(function)
        if name not in {ast.unparse(each) for each in summands}
    ]
    # what is lost is lost near the end more often, and at the end of a line
    ordered = sorted([slot for slot in slots[::-1] if _is_arithmetic(slot)], key=lambda slot: not _is_line(slot))
    for slot in ordered:
        yield Slip(slot, ast.parse(f"({ast.unparse(slot.node)})[::-1]", mode="eval").body)
        for factor in [*factors, *flags]:
            yield Slip(slot, ast.BinOp(slot.node, ast.Mult(), factor))
        for summand in summands:
            yield Slip(slot, ast.BinOp(slot.node, ast.Sub(), summand))
            yield Slip(slot, ast.BinOp(slot.node, ast.Add(), summand))
        yield Slip(slot, ast.UnaryOp(ast.USub(), slot.node))
        if isinstance(slot.parent, ast.Assign):
            yield from (
                Slip(slot, ast.NamedExpr(ast.Name(name, ast.Store()), slot.node)) for name in _variables(function)
            )
        for text in (
            "1.0 - {0}",
            "{0}.mean()",
            "{0}.sum(-1)",
            "{0}.log_softmax(-1)",
            "{0}.exp()",
            "{0}.log()",
            "{0} ** 0.5",
            "{0} / {0}.shape[-1]",
            "{0} * 0.5",
            "{0} + 1e-8",
        ):
            yield Slip(slot, ast.parse(text.format(f"({ast.unparse(slot.node)})"), mode="eval").body)


def _is_line(slot: Slot) -> bool:
    """Whether the expression is all of what a line assigns or returns."""
    return isinstance(slot.parent, ast.Assign | ast.Return)


def _is_arithmetic(slot: Slot) -> bool:
    """Whether the expression is a value that is added, multiplied, assigned or returned."""
    inside = isinstance(slot.parent, ast.BinOp | ast.Assign | ast.AugAssign | ast.Return | ast.UnaryOp | ast.Call)
    kinds = (ast.BinOp, ast.Name, ast.Subscript, ast.Call, *((ast.Constant,) if _is_line(slot) else ()))
    return inside and slot.field != "func" and isinstance(slot.node, kinds)


def _operands(function: Function, kind: type[ast.operator]) -> list[ast.expr]:
    """Distinct operands of products, or of sums and differences, in the function."""
    kinds = (ast.Add, ast.Sub) if kind is ast.Add else (kind,)
    found: dict[str, ast.expr] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, kinds):
            for operand in (node.left, node.right):
                if isinstance(operand, ast.Name | ast.Subscript | ast.Attribute | ast.BinOp | ast.Call):
                    found.setdefault(ast.unparse(operand), operand)
    atoms = sorted(found.values(), key=lambda node: len(ast.unparse(node)))
    return [copy.deepcopy(node) for node in atoms[:MOST_INSERTED]]


def _loop_variables(function: Function) -> list[str]:
    return [
        node.target.id for node in ast.walk(function) if isinstance(node, ast.For) and isinstance(node.target, ast.Name)
    ][:1]
