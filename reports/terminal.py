"""The report for a terminal: compact, most severe first, the verdict in the last line."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Literal

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ppo_audit.findings import Finding, Outcome, Report, Severity, Status, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._frame import code_frame, place
from ppo_audit.reports._text import clean, first_sentence, listing, one_line, plural, sentence

Palette = Literal["plain", "colour"]
STYLES = {Severity.CRITICAL: "bold red", Severity.SERIOUS: "dark_orange", Severity.POTENTIAL: "yellow"}
NARROWEST = 40

Row = tuple[str, str]


def render(report: Report, width: int = 100, palette: Palette = "plain") -> str:
    """The report as text of the given width, with colour codes or without."""
    stream = io.StringIO()
    colours: Literal["256"] | None = "256" if palette == "colour" else None
    console = Console(
        file=stream,
        width=max(width, NARROWEST),
        color_system=colours,
        force_terminal=colours is not None,
        highlight=False,
    )
    for target in report.targets:
        for part in _target(report, target):
            console.print(part, crop=False)
    console.print(_whole(digest.verdict(report), "bold"), crop=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _target(report: Report, target: TargetReport) -> Iterable[RenderableType]:
    # Every text goes in as `Text`, which rich prints as it is: markup in the target's names stays letters.
    yield Text(one_line(target.target), style="bold")
    effort = f"{plural(target.cases, 'case')} in {plural(target.evaluations, 'call')}, {target.seconds:.1f} s"
    yield Text(f"{target.kind} · {effort} · {report.date} · ppo-audit {report.version}\n", style="dim")
    if target.error:
        yield Text(f"Nothing was judged. {clean(target.error)}\n", style="bold red")
        return
    for finding in digest.open_findings(target):
        yield from _finding(target, finding)
    for title, rows in _lists(target):
        yield from _list(title, rows)


def _finding(target: TargetReport, finding: Finding) -> Iterable[RenderableType]:
    head = Text.assemble(
        (f"● {finding.severity.label}", STYLES[finding.severity]),
        (f"  {finding.rule} {finding.name}", "bold"),
        (f"  {place(finding.location)}", "cyan"),
        (f"  {finding.confidence.value}", "dim"),
    )
    yield head
    yield _indented(Text(sentence(finding.message)))
    frame = code_frame(finding.location) if finding.location else ""
    if frame:
        yield _indented(Text(frame, style="dim", no_wrap=True, overflow="ellipsis"))
    yield _indented(_grid(_details(finding), "dim"))
    for said, diff in _edits(finding):
        yield _indented(Text(said, style="dim"))
        yield _indented(Text("\n".join(digest.changed_lines(clean(diff))), no_wrap=True, overflow="ellipsis"))
    yield _whole(f"  {digest.reproduction(target, finding.rule)}\n", "cyan")


def _details(finding: Finding) -> Iterable[Row]:
    if finding.alternatives:
        yield "or at", f"{', '.join(place(other) for other in finding.alternatives)}, with the same effect"
    if "why_this_line" in finding.evidence:
        yield "why there", sentence(str(finding.evidence["why_this_line"]))
    inputs = ", ".join(f"{one_line(key)} = {value}" for key, value in digest.case_inputs(finding).items())
    case = ": ".join(part for part in (inputs, digest.case_result(finding)) if part)
    if finding.variant:
        yield "variant", one_line(finding.variant)
    if case:
        yield "case", case
    if finding.fix:
        yield "cure", first_sentence(finding.fix.text) + (" (verified)" if finding.fix.verified else "")
    if finding.diagnosis:
        yield "looks like", sentence(finding.diagnosis)
    if finding.also:
        yield "explains", listing(finding.also)
    yield "id", one_line(finding.fingerprint)


def _edits(finding: Finding) -> Iterable[Row]:
    """What to write, and the diff of it."""
    fix = finding.fix
    if fix is not None and fix.diff:
        yield sentence(fix.proof) or "Not verified by a run.", fix.diff
    for choice in fix.choices if fix is not None else ():
        yield sentence(f"One choice: {choice.text}. {choice.price}"), choice.diff


def _lists(target: TargetReport) -> Iterable[tuple[str, list[Row]]]:
    yield "Waived", [(_name(finding), sentence(finding.waiver or "")) for finding in digest.waived_findings(target)]
    yield "Waivers that waive nothing", list(_stale(target))
    yield "Done right", [(_name(outcome), sentence(outcome.reason or "It holds")) for outcome in _passed(target)]
    yield "Worth considering", [(one_line(remark.topic), sentence(remark.text)) for remark in target.remarks]
    yield "Not covered", list(_not_covered(target))
    yield "How it was called", [(one_line(role), one_line(how)) for role, how in target.roles.items()]
    yield "What it was measured to be", list(digest.flatten(target.profile).items())


def _stale(target: TargetReport) -> Iterable[Row]:
    for each in target.stale_waivers:
        yield one_line(f"{each.rule} {each.state}"), f"{one_line(each.origin)}: {sentence(each.text)}"


def card(target: TargetReport) -> str:
    """The profile card alone: how the target was called and what it was measured to be."""
    lines = [target.target, ""]
    for title, rows in _lists(target):
        if rows:
            width = max(len(name) for name, _ in rows)
            lines += [title, *(f"  {name:<{min(width, 44)}}  {text}" for name, text in rows), ""]
    return "\n".join(lines)


def _passed(target: TargetReport) -> list[Outcome]:
    return digest.with_status(target, Status.PASSED)


def _not_covered(target: TargetReport) -> Iterable[Row]:
    for outcome in digest.with_status(target, Status.ERRORED):
        yield _name(outcome), sentence(f"error: {outcome.reason or 'no reason given'}")
    for reason, group in digest.by_reason(digest.with_status(target, Status.SKIPPED)).items():
        yield listing(outcome.rule for outcome in group), sentence(reason)
    for text in target.not_covered:
        yield "", sentence(text)


def _name(item: Finding | Outcome) -> str:
    return f"{item.rule} {item.name}"


def _list(title: str, rows: list[Row]) -> Iterable[RenderableType]:
    if rows:
        yield Text(title, style="bold")
        yield _indented(_grid(rows, ""))
        yield Text("")


def _grid(rows: Iterable[Row], style: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style=style, max_width=36)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(Text(label), Text(text))
    return grid


def _whole(text: str, style: str) -> Group:
    # Not wrapped, so that a command can be copied and the verdict is one line. The group keeps `no_wrap`, which
    # printing a bare `Text` loses.
    return Group(Text(clean(text), style=style, no_wrap=True, overflow="ignore"))


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))
