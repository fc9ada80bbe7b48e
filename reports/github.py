"""Workflow commands, which GitHub shows as annotations beside the lines of a pull request.

GitHub keeps 10 errors, 10 warnings and 10 notices of a step and drops the rest without a word. The most severe come
first here, and the last notice says what was left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ppo_audit.findings import Finding, Report, Severity, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._explain import case
from ppo_audit.reports._text import first_sentence, listing, one_line, plural, sentence

LEVELS = {Severity.CRITICAL: "error", Severity.SERIOUS: "warning", Severity.POTENTIAL: "notice"}
MOST_OF_A_LEVEL = 10
LONGEST = 4096
"""Characters of one message, which GitHub would cut at 64 KiB, and no reader reads to there."""


def render(report: Report) -> str:
    """One command a line: what could not be judged, then open findings, then how many were left out."""
    commands = [*_declined(report), *_findings(report), *_stale(report)]
    kept: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    left_out = dict.fromkeys(kept, 0)
    for level, command in commands:
        if len(kept[level]) < (MOST_OF_A_LEVEL - 1 if level == "notice" else MOST_OF_A_LEVEL):
            kept[level].append(command)
        else:
            left_out[level] += 1
    kept["notice"] += _remainder(left_out)
    return "".join(f"{command}\n" for level in kept for command in kept[level])


def _declined(report: Report) -> Iterator[tuple[str, str]]:
    for target in report.targets:
        if target.error:
            title = f"Nothing was judged: {one_line(target.target)}"
            yield "error", _command("error", {"title": title}, sentence(target.error))


def _findings(report: Report) -> Iterator[tuple[str, str]]:
    found = [(finding, target) for target in report.targets for finding in digest.open_findings(target)]
    for finding, target in sorted(found, key=lambda pair: pair[0].severity):
        level = LEVELS[finding.severity]
        yield level, _command(level, _properties(finding, target), _message(finding))


def _stale(report: Report) -> Iterator[tuple[str, str]]:
    for target in report.targets:
        for waiver in target.stale_waivers:
            title = f"{waiver.state} waiver of {waiver.rule}"
            text = f"{one_line(waiver.origin)}: {sentence(waiver.text)}"
            yield "warning", _command("warning", {"title": title}, text)


def _properties(finding: Finding, target: TargetReport) -> dict[str, object]:
    title = f"{finding.rule} {finding.name} ({finding.severity.label})"
    place = finding.location
    if place is None:
        return {"file": target.file, "line": target.line, "title": title}
    # GitHub takes columns of a single line only.
    columns = place.column and place.end_column and (place.end_line or place.line) == place.line
    region: dict[str, object] = {"col": place.column, "endColumn": place.end_column} if columns else {}
    return {"file": place.file, "line": place.line, "endLine": place.end_line, **region, "title": title}


def _message(finding: Finding) -> str:
    parts = [sentence(finding.message), f"Case: {case(finding)}" if case(finding) else ""]
    parts += [f"Cure: {first_sentence(finding.fix.text)}"] if finding.fix else []
    return "\n".join(part for part in parts if part)


def _remainder(left_out: dict[str, int]) -> list[str]:
    parts = [plural(count, level) for level, count in left_out.items() if count]
    if not parts:
        return []
    text = f"{listing(parts)} not shown here, since GitHub shows {MOST_OF_A_LEVEL} of a kind: see the whole report."
    return [_command("notice", {"title": "ppo-audit: more findings"}, text)]


def _command(level: str, properties: dict[str, object], message: str) -> str:
    given = ",".join(f"{name}={_property(one_line(str(value)))}" for name, value in properties.items() if value)
    return f"::{level} {given}::{_data(message[:LONGEST])}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
