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
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return {}
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.BinOp)]
    return {(n.lineno, n.col_offset, n.end_lineno or 0, n.end_col_offset or 0): n for n in nodes}
