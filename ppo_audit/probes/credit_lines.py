"""The line of a loop over steps, in the target's source, at which flags are read or credit is carried on."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator

from ppo_audit.findings import Location
from ppo_audit.locate.source import display
from ppo_audit.recording.loop import Loop, Passed


def flags_read_at(loop: Loop, flags: str) -> Location | None:
    """Where a loop that computes something step by step reads the flags."""
    name = flags.rpartition(".")[2]
    for file in _files(loop):
        for each in _loops(file):
            reads = [node.lineno for node in ast.walk(each) if isinstance(node, ast.Subscript) and _is_read(node, name)]
            if reads and any(_is_carry(node) for node in ast.walk(each)):
                return _at(file, min(reads))
    return None


def carried_at(loop: Loop) -> Location | None:
    """Where a loop over steps in reverse carries the credit on."""
    for file in _files(loop):
        for each in _loops(file):
            carries = [node.lineno for node in ast.walk(each) if isinstance(node, ast.Assign) and _is_carry(node)]
            if carries:
                return _at(file, min(carries))
    return None


def _files(loop: Loop) -> list[str]:
    """The target's own files first."""
    own = [event.place.file for event in loop.events if isinstance(event, Passed) and event.place is not None]
    return list(dict.fromkeys([*own, *(op.site.file for op in loop.trace.ops if op.site is not None)]))


def _loops(file: str) -> Iterator[ast.For]:
    """The innermost loops of a file that run backwards."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        is_reversed = isinstance(node, ast.For) and any(word in ast.unparse(node.iter) for word in ("reversed", "-1"))
        if isinstance(node, ast.For) and is_reversed:
            yield node


def _is_read(node: ast.Subscript, name: str) -> bool:
    if not isinstance(node.ctx, ast.Load):
        return False
    held = node.value
    return name == (held.attr if isinstance(held, ast.Attribute) else held.id if isinstance(held, ast.Name) else None)


def _is_carry(node: ast.AST) -> bool:
    """An assignment of something that is computed from what it was before."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[-1], ast.Name):
        return False
    return any(isinstance(each, ast.Name) and each.id == node.targets[-1].id for each in ast.walk(node.value))


def _at(file: str, line: int) -> Location:
    return Location(display(file), line, code=linecache.getline(file, line).rstrip("\n"))
