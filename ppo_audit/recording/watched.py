"""Numbers that the target watches: scalars by name that its code compares with a bound, such as a KL that stops."""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType

import numpy
import torch

from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS, Site


@dataclass(frozen=True)
class Watched:
    """A scalar as it was at one backward pass, and where it is assigned."""

    name: str
    value: float
    place: Site


def watched_in(frame: FrameType | None) -> tuple[Watched, ...]:
    """What the target's frames watch, innermost first, as far as it has a value already."""
    found: dict[str, Watched] = {}
    while frame is not None:
        if not frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER, "<")):
            for name, place in _compared(frame.f_code).items():
                value = _scalar(frame.f_locals.get(name))
                if value is not None:
                    found.setdefault(name, Watched(name, value, place))
        frame = frame.f_back
    return tuple(found.values())


def _scalar(thing: object) -> float | None:
    if isinstance(thing, bool):
        return None
    if isinstance(thing, float | int | numpy.number):
        return float(thing)
    if isinstance(thing, torch.Tensor | numpy.ndarray) and thing.ndim == 0:
        return float(thing)
    return None


@functools.cache
def _compared(code: CodeType) -> Mapping[str, Site]:
    """The names that a test of the code holds against a bound from above, each with its last assignment."""
    function = _syntax(code)
    if function is None:
        return {}
    tests = [node.test for node in ast.walk(function) if isinstance(node, ast.If)]
    names = {name for test in tests for node in ast.walk(test) for name in _bounded(node)}
    return {name: place for name in names if (place := _assigned(function, name, code)) is not None}


def _bounded(node: ast.AST) -> Iterator[str]:
    if not isinstance(node, ast.Compare) or len(node.ops) != 1:
        return
    sides = (node.left, node.comparators[0])
    greater = sides[0] if isinstance(node.ops[0], ast.Gt | ast.GtE) else sides[1]
    if isinstance(node.ops[0], ast.Gt | ast.GtE | ast.Lt | ast.LtE) and isinstance(greater, ast.Name):
        yield greater.id


def _assigned(function: ast.AST, name: str, code: CodeType) -> Site | None:
    """The value that is given to a name, where a call or a calculation makes it."""
    values = [
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and any(_names(target, name) for target in node.targets)
    ]
    made = [value for value in values if not isinstance(value, ast.Constant | ast.Name)]
    if not made:
        return None
    last = max(made, key=lambda value: value.lineno)
    end = last.end_lineno or last.lineno, last.end_col_offset or last.col_offset
    return Site(code.co_filename, last.lineno, end[0], last.col_offset, end[1], code.co_name)


def _names(target: ast.expr, name: str) -> bool:
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return any(isinstance(part, ast.Name) and part.id == name for part in parts)


def _syntax(code: CodeType) -> ast.AST | None:
    """The function, or the module, that was compiled into the code."""
    tree = _tree(code.co_filename)
    if tree is None or code.co_name == "<module>":
        return tree
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return next(
        (node for node in functions if node.name == code.co_name and _begins(node) == code.co_firstlineno), None
    )


def _begins(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


@functools.cache
def _tree(file: str) -> ast.Module | None:
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None
