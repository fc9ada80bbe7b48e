"""The summary of a GitHub step: markdown, most severe first, cut between findings where GitHub's limit is reached."""

from __future__ import annotations

from ppo_audit.findings import Finding, Report, Severity, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._frame import place
from ppo_audit.reports._markup import code, fence, prose
from ppo_audit.reports._text import first_sentence, plural, sentence
from ppo_audit.reports.markdown import finding_section

LIMIT = 1024 * 1024
"""Bytes that GitHub takes from one step; it takes nothing at all of more."""
SPARE = 2048
LONGEST_TABLE = 100

Found = tuple[TargetReport, Finding]


def render(report: Report, limit: int = LIMIT) -> str:
    """The verdict, a table of what was found, and the findings in full as far as they fit into `limit` bytes."""
    found = [(target, finding) for target in report.targets for finding in digest.open_findings(target)]
    found.sort(key=lambda pair: pair[1].severity)
    blocks = [f"## ppo-audit\n\n**{prose(digest.verdict(report))}**", *_declined(report), *_table(found)]
    blocks += [_details(target, finding) for target, finding in found]
    blocks += [*_waived(report), *_stale(report)]
    return _fitting(blocks, limit)


def _fitting(blocks: list[str], limit: int) -> str:
    text, size = list[str](), 0
    for number, block in enumerate(blocks):
        size += len(block.encode(errors="replace")) + 2
        if size > limit - SPARE:
            left = plural(len(blocks) - number, "section")
            text.append(f"*{left} left out, the least severe, to stay within the limit of a summary.*")
            break
        text.append(block)
    return "\n\n".join(text) + "\n"


def _declined(report: Report) -> list[str]:
    return [
        f"❌ {code(target.target)}: nothing was judged.\n\n{fence(target.error)}"
        for target in report.targets
        if target.error
    ]


def _table(found: list[Found]) -> list[str]:
    if not found:
        return []
    rows = [_row(target, finding) for target, finding in found[:LONGEST_TABLE]]
    more = len(found) - len(rows)
    rest = [f"\n{plural(more, 'finding')} more below."] if more else []
    return ["\n".join(["| | rule | where | finding |", "|---|---|---|---|", *rows, *rest])]


def _row(target: TargetReport, finding: Finding) -> str:
    where = code(place(finding.location)) if finding.location else code(target.target)
    message = prose(first_sentence(finding.message))
    cells = (digest.MARKERS[finding.severity], f"{finding.rule} {finding.name}", where, message)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _details(target: TargetReport, finding: Finding) -> str:
    command = fence(digest.reproduction(target, finding.rule), "console")
    word = "finding" if finding.severity is not Severity.CRITICAL else "critical finding"
    head = f"<details><summary>{finding.rule} {finding.name}: the whole {word}</summary>"
    return f"{head}\n\n{finding_section(finding)}\n\n{command}\n\n</details>"


def _waived(report: Report) -> list[str]:
    rows = [
        f"- {finding.rule} {finding.name}: {prose(sentence(finding.waiver or ''))}"
        for target in report.targets
        for finding in digest.waived_findings(target)
    ]
    return ["### Waived\n\n" + "\n".join(rows)] if rows else []


def _stale(report: Report) -> list[str]:
    rows = [
        f"- {prose(waiver.rule)}, {prose(waiver.state)} ({code(waiver.origin)}): {prose(sentence(waiver.text))}"
        for target in report.targets
        for waiver in target.stale_waivers
    ]
    return ["### Waivers that waive nothing\n\n" + "\n".join(rows)] if rows else []
