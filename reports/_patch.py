"""A fix's diff as replacements of whole lines, for formats that apply edits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ppo_audit.findings import Finding

HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@")


@dataclass(frozen=True)
class Replacement:
    """Lines `line` to `end_line`, up to the column `end_column` (the first one that stays), become `text`."""

    file: str
    line: int
    end_line: int
    end_column: int
    text: str


def replacements(finding: Finding) -> list[Replacement]:
    """The edits of the finding's diff; none where the diff does not say which lines it means."""
    if finding.fix is None or not finding.fix.diff or finding.location is None:
        return []
    lines = finding.fix.diff.split("\n")
    if any(HUNK.match(line) for line in lines):
        return list(_of_hunks(lines, finding.location.file))
    removed, added = _sides(lines)
    if removed != finding.location.code.splitlines():
        return []
    return [_replacement(finding.location.file, finding.location.line, removed, added)]


def _of_hunks(lines: list[str], file: str) -> Iterator[Replacement]:
    number, block = 0, list[str]()
    for line in [*lines, "@@ -0 +0 @@"]:
        if block and not line.startswith(("-", "+")):
            removed, added = _sides(block)
            yield _replacement(file, number, removed, added)
            number, block = number + len(removed), []
        if hunk := HUNK.match(line):
            number = int(hunk[1]) + (hunk[2] == "0")  # of nothing to remove it names the line before
        elif number and line.startswith(("-", "+")):
            block.append(line)
        elif number:
            number += 1


def _sides(lines: list[str]) -> tuple[list[str], list[str]]:
    removed, added = ([line[1:] for line in lines if line.startswith(sign)] for sign in "-+")
    return removed, added


def _replacement(file: str, line: int, removed: list[str], added: list[str]) -> Replacement:
    text = "\n".join(added)
    if not removed:  # in front of the line
        return Replacement(file, line, line, 1, f"{text}\n")
    return Replacement(file, line, line + len(removed) - 1, len(removed[-1]) + 1, text)
