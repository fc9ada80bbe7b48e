"""The code at a location, with the columns in question underlined."""

from __future__ import annotations

from ppo_audit.findings import Location
from ppo_audit.reports._text import clean


def place(location: Location | None) -> str:
    """`file.py:41:14`, or words where there is no location."""
    if location is None:
        return "no single line"
    column = f":{location.column}" if location.column else ""
    return clean(f"{location.file}:{location.line}{column}").replace("\n", " ")


def code_frame(location: Location) -> str:
    """Numbered source lines with carets under the columns; empty where the source is not known.

    `Location.code` holds whole source lines, indentation included, from `line` on; `end_column` is the first column
    after the marked text.
    """
    lines = [clean(line).replace("\t", " ") for line in location.code.splitlines()]
    if not any(line.strip() for line in lines):
        return ""
    margin = min(_indent(line) for line in lines if line.strip())
    last = location.line + len(lines) - 1
    frame = []
    for offset, line in enumerate(lines):
        frame.append(f"{location.line + offset:>{len(str(last))}} │ {line[margin:]}")
        marks = _marks(location, offset, line)[margin:]
        frame += [f"{'':>{len(str(last))}} │ {marks}"] if marks.strip() else []
    return "\n".join(text.rstrip() for text in frame)


def _marks(location: Location, offset: int, line: str) -> str:
    """Carets under the part of this line that the location covers, without the indentation."""
    if not location.column or not line.strip():
        return ""
    end_line = location.end_line or location.line
    number = location.line + offset
    if number > end_line:
        return ""
    start = location.column - 1 if offset == 0 else _indent(line)
    end = (location.end_column or location.column + 1) - 1 if number == end_line else len(line)
    return " " * start + "^" * (min(end, len(line)) - start)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
