"""The report as a reviewer would write it: the form of architecture section 8."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from ppo_audit.findings import Finding, Fix, Location, Outcome, Report, Severity, Status, TargetReport
from ppo_audit.reports import _digest as digest
from ppo_audit.reports._frame import code_frame, place
from ppo_audit.reports._markup import code, fence, paragraphs, prose
from ppo_audit.reports._text import capital, first_sentence, listing, one_line, plural, sentence, show

TITLES = {
    Severity.CRITICAL: "Critical",
    Severity.SERIOUS: "Serious",
    Severity.POTENTIAL: "Potential",
}
CONFIDENCE = {
    "exact": "Exact, in closed form.",
    "measured": "Measured, against a tolerance.",
    "inferred": "Inferred: it rests on a guess about a role or the profile.",
}


def render(report: Report) -> str:
    """The whole report as one markdown document."""
    if not report.targets:
        return f"# PPO audit\n\nNo target was given. {prose(digest.verdict(report))}\n"
    parts = [_overview(report)] if len(report.targets) > 1 else []
    parts += [_document(report, target) for target in report.targets]
    return "\n\n---\n\n".join(parts) + "\n"


def _overview(report: Report) -> str:
    rows = [f"| {_cell(code(target.target))} | {_cell(prose(_state(target)))} |" for target in report.targets]
    table = "\n".join(["| target | result |", "|---|---|", *rows])
    return f"# PPO audit of {plural(len(report.targets), 'target')}\n\n{prose(digest.verdict(report))}\n\n{table}"


def _at(location: Location | None) -> str:
    return code(place(location)) if location else place(location)


def _cell(text: str) -> str:
    # A bar ends a cell, even within a code span.
    return text.replace("|", r"\|")


def _state(target: TargetReport) -> str:
    return sentence(f"nothing was judged: {target.error}" if target.error else digest.counted_findings(_counts(target)))


def _counts(target: TargetReport) -> dict[str, int]:
    return Report((target,), version="", date="").summary


def _document(report: Report, target: TargetReport) -> str:
    judged = [
        *_method(report, target),
        *_summary(report, target),
        *_findings(target),
        *_waived(target),
        *_stale(target),
        *_done_right(target),
        *_remarks(target),
        *_recommendations(target),
        *_not_covered(target),
    ]
    sections = [
        f"# PPO audit of {code(target.target)}",
        " · ".join([report.date, f"ppo-audit {report.version}", *_defined_at(target)]),
        *(_declined(target) if target.error else judged),
        *_how_called(target),
        *_profile(target),
        *_reproduce(target),
    ]
    return "\n\n".join(sections)


def _defined_at(target: TargetReport) -> list[str]:
    if not target.file:
        return []
    return [code(f"{target.file}:{target.line}" if target.line else target.file)]


def _declined(target: TargetReport) -> list[str]:
    return ["## Nothing was judged", fence(target.error or ""), f"Exit code {target.exit_code}."]


def _method(report: Report, target: TargetReport) -> list[str]:
    effort = f"{plural(target.cases, 'case')} in {plural(target.evaluations, 'call')}, {target.seconds:.1f} s"
    text = (
        "ppo-audit measures first and judges second. It calls the loss on inputs chosen to tell right from wrong, "
        f"reads value and gradient for every input ({effort}), and holds the code to what it was measured to be."
    )
    if target.variants:
        text += f" It judged {plural(len(target.variants), 'variant')}: {listing(target.variants)}."
    return ["## Method", prose(text), *([fence(report.command, "console")] if report.command else [])]


def _summary(report: Report, target: TargetReport) -> list[str]:
    counts = _counts(target)
    single = Report((target,), report.version, report.date, report.fail_on)
    text = f"**{capital(digest.counted_findings(counts))}.** {sentence(digest.counted_outcomes(counts))}"
    text += f" Exit code {target.exit_code}: {digest.meaning(single)}."
    return ["## Summary", text, *_finding_table(digest.open_findings(target))]


def _finding_table(findings: list[Finding]) -> list[str]:
    rows = [
        f"| {digest.MARKERS[finding.severity]} | {finding.rule} {finding.name} "
        f"| {_cell(_at(finding.location))} | {_cell(prose(first_sentence(finding.message)))} |"
        for finding in findings
    ]
    return ["\n".join(["| | rule | where | finding |", "|---|---|---|---|", *rows])] if rows else []


def _findings(target: TargetReport) -> Iterable[str]:
    for severity in Severity:
        group = [finding for finding in digest.open_findings(target) if finding.severity is severity]
        if group:
            yield f"## {TITLES[severity]}"
        yield from (finding_section(finding) for finding in group)


def finding_section(finding: Finding) -> str:
    """One finding as a section: where, what, why, the mathematics, evidence, recommendation."""
    variant = f", {prose(finding.variant)}" if finding.variant else ""
    parts = [
        f"### {digest.MARKERS[finding.severity]} {finding.rule} {finding.name}{variant}",
        _where(finding),
        f"**Problem.** {prose(sentence(finding.message))}",
        _labelled("Diagnosis", finding.diagnosis),
        _labelled("Why it matters", finding.why),
        f"**The mathematics.**\n\n{fence(inspect.cleandoc(finding.property))}" if finding.property else "",
        _evidence(finding),
        f"**By hand.** With torch and the file alone:\n\n{fence(finding.reproduction, 'python')}"
        if finding.reproduction
        else "",
        *_recommendation(finding.fix),
        _labelled("How common", finding.prevalence or ""),
        _also(finding),
        f"**References.** {prose(', '.join(finding.references))}" if finding.references else "",
        f"**Id.** {code(finding.fingerprint)}, for `ppo-audit replay`.",
    ]
    return "\n\n".join(part for part in parts if part)


def _labelled(label: str, text: str) -> str:
    return f"**{label}.** {paragraphs(text)}" if text else ""


def _where(finding: Finding) -> str:
    if finding.location is None:
        return "**Where.** The defect shows in the result and could not be tied to one line."
    frame = code_frame(finding.location)
    others = "".join(f", or, with the same effect, {code(place(other))}" for other in finding.alternatives)
    return f"**Where.** {code(place(finding.location))}{others}" + (f"\n\n{fence(frame)}" if frame else "")


def _evidence(finding: Finding) -> str:
    inputs = [f"{code(key)} = {prose(value)}" for key, value in digest.case_inputs(finding).items()]
    result = prose(digest.case_result(finding))
    case = ": ".join(part for part in (", ".join(inputs), result) if part)
    lines = [f"**Evidence.** {CONFIDENCE[finding.confidence]}" + (f" Smallest counterexample: {case}." if case else "")]
    rows = [f"- {prose(key.replace('_', ' '))}: {prose(show(value))}" for key, value in finding.evidence.items()]
    return "\n\n".join([*lines, *(["\n".join(rows)] if rows else [])])


def _recommendation(fix: Fix | None) -> Iterable[str]:
    if fix is None:
        return
    yield f"**Recommendation.** {paragraphs(fix.text)}"
    if fix.diff:
        yield fence(fix.diff, "diff")
    yield f"{digest.tried(fix)} {prose(sentence(fix.proof))}".rstrip()
    for choice in fix.choices:
        yield f"**One choice.** {prose(sentence(choice.text))} {prose(sentence(choice.price))}".rstrip()
        yield fence(choice.diff, "diff")


def _also(finding: Finding) -> str:
    return f"**Also.** The same defect explains {listing(finding.also)}." if finding.also else ""


def _waived(target: TargetReport) -> Iterable[str]:
    rows = [
        f"- {digest.MARKERS[finding.severity]} {finding.rule} {finding.name}, {_at(finding.location)}: "
        f"{prose(first_sentence(finding.message))} Waived: {prose(sentence(finding.waiver or ''))}"
        for finding in digest.waived_findings(target)
    ]
    return _section("Waived", rows)


def _stale(target: TargetReport) -> Iterable[str]:
    rows = [
        f"- {prose(each.rule)} {each.state}, {prose(one_line(each.origin))}: {prose(sentence(each.text))}"
        for each in target.stale_waivers
    ]
    return _section("Waivers that waive nothing", rows)


def _done_right(target: TargetReport) -> Iterable[str]:
    return _section("Done right", [_outcome_row(outcome) for outcome in digest.with_status(target, Status.PASSED)])


def _outcome_row(outcome: Outcome) -> str:
    return f"- **{outcome.rule} {outcome.name}.** {prose(sentence(outcome.reason or 'It holds'))}"


def _remarks(target: TargetReport) -> Iterable[str]:
    rows = [
        f"- **{prose(remark.topic)}.** {prose(sentence(remark.text))}"
        + (f" ({code(place(remark.location))})" if remark.location else "")
        for remark in target.remarks
    ]
    return _section("Worth considering", rows)


def _recommendations(target: TargetReport) -> Iterable[str]:
    rows = [
        f"{index}. {digest.MARKERS[finding.severity]} {prose(first_sentence(finding.fix.text))} "
        f"({finding.rule}, {_at(finding.location)})"
        for index, finding in enumerate((each for each in digest.open_findings(target) if each.fix), start=1)
        if finding.fix
    ]
    return _section("Recommendations by priority", rows)


def _not_covered(target: TargetReport) -> Iterable[str]:
    errored = [
        f"- {outcome.rule} {outcome.name} ended in an error: {prose(sentence(outcome.reason or 'no reason given'))}"
        for outcome in digest.with_status(target, Status.ERRORED)
    ]
    skipped = [
        f"- {listing(f'{outcome.rule} {outcome.name}' for outcome in group)}: {prose(sentence(reason))}"
        for reason, group in digest.by_reason(digest.with_status(target, Status.SKIPPED)).items()
    ]
    rows = [*errored, *skipped, *(f"- {prose(sentence(text))}" for text in target.not_covered)]
    return _section("Not covered", rows or ["Every selected rule applied and ended."])


def _how_called(target: TargetReport) -> Iterable[str]:
    return _section("How it was called", [f"- {code(role)}: {prose(how)}" for role, how in target.roles.items()])


def _profile(target: TargetReport) -> Iterable[str]:
    rows = [
        f"| {_cell(prose(name))} | {_cell(prose(value))} |" for name, value in digest.flatten(target.profile).items()
    ]
    return _section("What it was measured to be", ["| | |", "|---|---|", *rows] if rows else [])


def _reproduce(target: TargetReport) -> Iterable[str]:
    rules = dict.fromkeys(finding.rule for finding in digest.open_findings(target))
    commands = "\n".join(digest.reproduction(target, rule) for rule in rules)
    return _section("How to reproduce", [fence(commands, "console")] if rules else [])


def _section(title: str, lines: list[str]) -> Iterable[str]:
    if lines:
        yield f"## {title}\n\n" + "\n".join(lines)
