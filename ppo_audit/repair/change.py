"""A change of a file's text, as plain data: applied, shown as a diff, and bound to the text it was made for."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable

from ppo_audit.findings import Edit, Replacement

CONTEXT = 2
"""Unchanged lines shown around a change."""


def digest_of(text: str) -> str:
    """What tells one text of a file from another."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def applied(text: str, replacements: Iterable[Replacement]) -> str:
    """The text with every stretch replaced."""
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    at = lambda line, column: starts[line - 1] + column - 1
    for each in sorted(replacements, key=lambda each: (each.line, each.column), reverse=True):
        text = text[: at(each.line, each.column)] + each.text + text[at(each.end_line, each.end_column) :]
    return text


def diff(file: str, before: str, after: str) -> str:
    """The change as a unified diff."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), file, file, n=CONTEXT, lineterm="")
    return "\n".join(lines)


def overlap(first: Edit, second: Edit) -> bool:
    """Whether two edits of one file touch the same stretch."""
    spans = lambda edit: [((r.line, r.column), (r.end_line, r.end_column)) for r in edit.replacements]
    return any((a[0] < b[1] and b[0] < a[1]) or a == b for a in spans(first) for b in spans(second))
