"""A diff becomes replacements that give the same text as the diff itself."""

from __future__ import annotations

import dataclasses
import difflib

import pytest

from ppo_audit.findings import Fix
from ppo_audit.reports._patch import Replacement, replacements
from tests.reports.samples import OVERFLOW

OLD = ["a", "b", "c", "d", "e", "f"]


def applied(lines: list[str], edits: list[Replacement]) -> list[str]:
    """Replace from the end, so that line numbers stay true."""
    text = "".join(f"{line}\n" for line in lines)
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines) + 1)]
    for edit in reversed(edits):
        start, end = starts[edit.line - 1], starts[edit.end_line - 1] + edit.end_column - 1
        text = text[:start] + edit.text + text[end:]
    return text.splitlines()


@pytest.mark.parametrize("context", [0, 1, 3])
@pytest.mark.parametrize(
    "new",
    [
        ["a", "B", "c", "d", "e", "f"],
        ["a", "B", "B2", "c", "d", "E", "f"],
        ["a", "X", "f"],
        ["a", "b", "new", "c", "d", "e", "f"],
        ["A", "b", "c", "d", "e", "F"],
    ],
)
def test_replacements_do_what_the_diff_does(new: list[str], context: int):
    diff = "\n".join(difflib.unified_diff(OLD, new, "x.py", "x.py", n=context, lineterm=""))
    finding = dataclasses.replace(OVERFLOW, fix=Fix("Do it.", diff))
    assert applied(OLD, replacements(finding)) == new
