"""A file as a syntax tree that keeps comments, and the expressions at a line with all that is in reach there."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider

from ppo_audit.findings import Replacement
from ppo_audit.repair.unread import unread, unread_settings
from ppo_audit.targets.names import is_scalar, role_of

OPERATORS = (cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.BooleanOperation)
LOOSE = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.Tuple)
MODULES = ("torch", "F", "np", "numpy", "math", "nn", "functional", "jnp")
LEAVES = (cst.Name, cst.Attribute, cst.Subscript)


@dataclass(frozen=True)
class Scope:
    """Names in reach of a statement, the nearest last: those of numbers, those of masks, and all others."""

    names: tuple[str, ...]

    @functools.cached_property
    def scalars(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if (role := role_named(name)) and is_scalar(role))

    @functools.cached_property
    def masks(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if role_named(name) == "mask")

    @functools.cached_property
    def tensors(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if name not in self.scalars)

    def of(self, *roles: str) -> tuple[str, ...]:
        """The names that speak of one of these roles."""
        return tuple(name for name in self.names if role_named(name) in roles)


@dataclass(frozen=True)
class Spot:
    """An expression of a file: its node and the one around it, its text, and what is in reach."""

    node: cst.CSTNode
    parent: cst.CSTNode
    place: CodeRange
    text: str
    scope: Scope
    unused: tuple[str, ...] = ()
    """Names of the function that nothing reads."""
    code: Callable[[cst.CSTNode], str] = field(default=str, repr=False)

    def put(self, text: str) -> Replacement:
        """The replacement of this expression, in parentheses where the place asks for them."""
        if self._needs_parentheses(text):
            text = f"({text})"
        start, end = self.place.start, self.place.end
        return Replacement(start.line, start.column + 1, end.line, end.column + 1, text)

    def _needs_parentheses(self, text: str) -> bool:
        if getattr(self.node, "lpar", ()) or not text:
            return False
        inside = isinstance(self.parent, (*OPERATORS, cst.Attribute, cst.Subscript, cst.ComparisonTarget))
        is_callee = isinstance(self.parent, cst.Call) and self.parent.func is self.node
        return (inside or is_callee) and is_loose(text)


def is_loose(text: str) -> bool:
    """Whether an expression needs parentheses inside another one."""
    try:
        return isinstance(ast.parse(text, mode="eval").body, LOOSE)
    except SyntaxError:
        return False


def tight(text: str) -> str:
    """The expression as an operand."""
    return f"({text})" if is_loose(text) else text


def role_named(name: str) -> str | None:
    """The role that a name, the last part of a path or the key of an item speaks of."""
    return role_of(re.sub(r"\W+$", "", re.split(r"[.\[]\W*", name)[-1]))


@dataclass(frozen=True)
class Source:
    """One file."""

    file: str
    text: str

    @functools.cached_property
    def _tree(self) -> MetadataWrapper:
        return MetadataWrapper(cst.parse_module(self.text), unsafe_skip_copy=True)

    @functools.cached_property
    def _places(self) -> dict[cst.CSTNode, CodeRange]:
        return dict(self._tree.resolve(PositionProvider))

    @functools.cached_property
    def _parents(self) -> dict[cst.CSTNode, cst.CSTNode]:
        return dict(self._tree.resolve(ParentNodeProvider))

    def statements(self, line: int) -> list[cst.CSTNode]:
        """What stands on a line: simple statements, or the head of a compound one."""
        found: list[cst.CSTNode] = [
            node
            for node, place in self._places.items()
            if isinstance(node, cst.BaseSmallStatement) and place.start.line <= line <= place.end.line
        ]
        return found or [
            head for node in self._places for head in self._heads(node) if self._places[head].start.line == line
        ]

    def _heads(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        if isinstance(node, cst.If):
            yield node.test
        elif isinstance(node, cst.For):
            yield node.iter

    def spots(self, statement: cst.CSTNode) -> list[Spot]:
        """Every expression that a statement reads, outer ones first."""
        function = self._function(statement)
        line = self._places[statement].start.line
        scope = Scope((*self._names(function, statement), *unread_settings(self.text, line)))
        unused = tuple(sorted(unread(self.text, line)))
        pending, found = [statement], []
        while pending:
            node = pending.pop(0)
            if isinstance(node, cst.BaseExpression) and not self._is_written(node) and not self._is_path(node):
                found.append(
                    Spot(node, self._parents[node], self._places[node], self.code(node), scope, unused, self.code)
                )
            pending.extend(child for child in node.children if not isinstance(child, cst.BaseCompoundStatement))
        return found

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node without the parentheses around it."""
        bare = node.with_changes(lpar=(), rpar=()) if getattr(node, "lpar", ()) and not _is_empty_tuple(node) else node
        return self._tree.module.code_for_node(bare)

    def function_lines(self, line: int) -> Sequence[int]:
        """The lines of the function around a line."""
        nearest = [
            place
            for node, place in self._places.items()
            if isinstance(node, cst.FunctionDef) and place.start.line <= line <= place.end.line
        ]
        if not nearest:
            return ()
        place = max(nearest, key=lambda place: place.start.line)
        return range(place.start.line, place.end.line + 1)

    def _is_written(self, node: cst.CSTNode) -> bool:
        """Whether an expression is the target of an assignment, the name of a keyword or part of an annotation."""
        parent = self._parents.get(node)
        if isinstance(parent, cst.AssignTarget | cst.Annotation):
            return True
        if isinstance(parent, cst.Arg) and parent.keyword is node:
            return True
        if isinstance(parent, cst.Attribute) and parent.attr is node:
            return True
        if isinstance(parent, cst.AugAssign | cst.AnnAssign) and parent.target is node:
            return True
        return parent is not None and isinstance(parent, cst.BaseExpression | cst.Element) and self._is_written(parent)

    def _is_path(self, node: cst.CSTNode) -> bool:
        """Whether an expression only leads to something: a module, a callee, an object whose attribute is read.

        What has no other name, as `True`, is no place for a slip either.
        """
        parent = self._parents[node]
        if isinstance(parent, cst.Call) and parent.func is node:
            return True
        if isinstance(node, cst.Name) and node.value in (*MODULES, "True", "False", "None"):
            return True
        return isinstance(node, cst.Name) and isinstance(parent, cst.Attribute) and not self._is_called(parent)

    def _function(self, node: cst.CSTNode) -> cst.CSTNode:
        while not isinstance(node, cst.FunctionDef | cst.Module):
            node = self._parents[node]
        return node

    def _names(self, function: cst.CSTNode, statement: cst.CSTNode) -> tuple[str, ...]:
        """Parameters, paths that the function reads, and what it has assigned before the statement."""
        found: dict[str, None] = dict.fromkeys(self._enclosed(function))
        end = self._places[statement].start
        for node in _walk(function):
            if isinstance(node, cst.Param):
                found[node.name.value] = None
            elif isinstance(node, cst.AssignTarget) and (self._places[node].start.line < end.line):
                found |= dict.fromkeys(_targets(node.target))
            elif isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and not self._is_called(node):
                found[f"{node.value.value}.{node.attr.value}"] = None
        return tuple(name for name in found if name.partition(".")[0] not in MODULES and name != "self")

    def _enclosed(self, function: cst.CSTNode) -> Iterator[str]:
        """The parameters of the functions around one."""
        while not isinstance(function, cst.Module):
            function = self._parents[function]
            if isinstance(function, cst.FunctionDef):
                parameters = function.params
                yield from (each.name.value for each in (*parameters.params, *parameters.kwonly_params))

    def _is_called(self, node: cst.CSTNode) -> bool:
        parent = self._parents[node]
        return (isinstance(parent, cst.Call) and parent.func is node) or isinstance(parent, cst.Attribute)


def _is_empty_tuple(node: cst.CSTNode) -> bool:
    """Its parentheses are all there is of it."""
    return isinstance(node, cst.Tuple) and not node.elements


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    pending = [node]
    while pending:
        node = pending.pop(0)
        yield node
        pending.extend(node.children)


def _targets(target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple):
        for element in target.elements:
            yield from _targets(element.value)
