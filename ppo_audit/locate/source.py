"""From a recorded call to the line that one would edit."""

from __future__ import annotations

import ast
import functools
import linecache
from pathlib import Path

from ppo_audit.findings import Location
from ppo_audit.recording.trace import Site


def location_of(site: Site) -> Location:
    """The place of a call: its columns, on the line where its name or operator stands."""
    line = _line_of_operator(site)
    whole = line == site.line
    return Location(
        file=display(site.file),
        line=line,
        column=_characters(site.file, line, site.column) + 1 if whole else None,
        end_line=site.end_line if whole else line,
        end_column=_characters(site.file, site.end_line, site.end_column) + 1 if whole else None,
        code=linecache.getline(site.file, line).rstrip("\n"),
    )


def setting_of(site: Site, argument: str) -> Location | None:
    """Where the variable is set that a call takes as its `min` or `max`, or that an operator takes as `0` or `1`.

    None where the expression says it itself, and where more than a name is set: that is an operation of its own.
    """
    node = _nodes(site.file).get((site.line, site.column, site.end_line, site.end_column))
    given = _arguments(node).get(argument)
    name = getattr(given.operand if isinstance(given, ast.UnaryOp) else given, "id", None)
    start = _start_of_function(site)
    before = [each for each in _assignments(site.file) if start <= each.lineno < site.line and name in _names(each)]
    if name is None or not before or (argument.isdigit() and not isinstance(before[-1].value, ast.Name)):
        return None
    return on_line(site.file, before[-1].lineno)


def forward_of(place: Location) -> list[Location]:
    """What the forward pass computes, the last line first, where a place lies in the backward pass of a class."""
    classes = [node for node in ast.walk(_tree(place.file)) if isinstance(node, ast.ClassDef)]
    for owner in classes:
        passes = {node.name: node for node in owner.body if isinstance(node, ast.FunctionDef)}
        back, forward = passes.get("backward"), passes.get("forward")
        if back is not None and forward is not None and back.lineno <= place.line <= (back.end_lineno or 0):
            made = [node.lineno for node in ast.walk(forward) if isinstance(node, ast.Assign)]
            return [on_line(place.file, line) for line in sorted(made, reverse=True)]
    return []


def on_line(file: str, line: int) -> Location:
    return Location(file=display(file), line=line, code=linecache.getline(file, line).rstrip("\n"))


def _start_of_function(site: Site) -> int:
    """The line at which the innermost function around a call begins."""
    functions = [
        node for node in ast.walk(_tree(site.file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    around = [node.lineno for node in functions if node.lineno <= site.line <= (node.end_lineno or 0)]
    return max(around, default=1)


def _arguments(node: ast.expr | None) -> dict[str, ast.expr]:
    """What an operator or a clamp takes, by position or keyword."""
    if isinstance(node, ast.BinOp):
        return {"0": node.left, "1": node.right}
    if not isinstance(node, ast.Call):
        return {}
    bounds = zip(("max", "min"), reversed(node.args), strict=False) if len(node.args) > 1 else ()
    places = {str(place): each for place, each in enumerate(node.args)}
    return dict(bounds) | places | {each.arg: each.value for each in node.keywords if each.arg}


@functools.lru_cache(maxsize=256)
def _assignments(file: str) -> tuple[ast.Assign | ast.AnnAssign, ...]:
    """Every assignment of a file, in order."""
    nodes = [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Assign | ast.AnnAssign)]
    return tuple(sorted(nodes, key=lambda node: node.lineno))


def _names(node: ast.Assign | ast.AnnAssign) -> frozenset[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return frozenset(each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def _characters(file: str, line: int, column: int) -> int:
    """How many characters lie before a column, which Python counts in bytes of UTF-8."""
    text = linecache.getline(file, line)
    return len(text.encode(errors="replace")[:column].decode(errors="ignore")) if text else column


def display(file: str) -> str:
    """A path relative to the working directory where possible."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _line_of_operator(site: Site) -> int:
    """In an expression over several lines: the line of the method's name, or of the operator."""
    if site.line == site.end_line:
        return site.line
    node = _nodes(site.file).get((site.line, site.column, site.end_line, site.end_column))
    if isinstance(node, ast.Call):
        return node.func.end_lineno or site.line
    if isinstance(node, ast.BinOp):
        starts_line = not linecache.getline(site.file, node.right.lineno)[: node.right.col_offset].strip(" +-*/(")
        return node.right.lineno if starts_line else node.left.end_lineno or site.line
    return site.line


@functools.lru_cache(maxsize=256)
def _nodes(file: str) -> dict[tuple[int, int, int, int], ast.expr]:
    """Every expression of a file by its extent; columns count characters of UTF-8, as Python does."""
    nodes = [node for node in ast.walk(_tree(file)) if isinstance(node, ast.Call | ast.BinOp)]
    return {(n.lineno, n.col_offset, n.end_lineno or 0, n.end_col_offset or 0): n for n in nodes}


def _tree(file: str) -> ast.Module:
    """The syntax tree of a file; empty where it is no Python."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return ast.Module([], [])
