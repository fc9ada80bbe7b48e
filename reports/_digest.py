"""What a report says in any format: order, counts, verdict, reasons, and how to see a finding again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from ppo_audit.findings import Finding, Fix, Outcome, Report, Severity, Status, TargetReport
from ppo_audit.reports._text import capital, listing, one_line, plural, show

MARKERS = {Severity.CRITICAL: "🔴", Severity.SERIOUS: "🟠", Severity.POTENTIAL: "🟡"}
EXIT_MEANINGS = {
    2: "a target could not be judged",
    3: "the audit is incomplete",
    4: "a bug in ppo-audit itself",
    5: "no rule applied",
}
RESULTS = {"want": "expected", "expected": "expected", "got": "got"}
"""Keys of a counterexample that are no inputs, and the word for each."""


def most_severe_first(findings: Iterable[Finding]) -> list[Finding]:
    """The order of every report: severity, then code, then place."""
    return sorted(findings, key=lambda finding: (finding.severity, finding.rule, finding.variant or "", _line(finding)))


def open_findings(target: TargetReport) -> list[Finding]:
    """The findings that count, most severe first."""
    return [finding for finding in most_severe_first(target.findings) if finding.waiver is None]


def waived_findings(target: TargetReport) -> list[Finding]:
    """The findings that the user accepted with a reason."""
    return [finding for finding in most_severe_first(target.findings) if finding.waiver is not None]


def with_status(target: TargetReport, status: Status) -> list[Outcome]:
    """The outcomes of one status, in order of code."""
    return sorted(
        (outcome for outcome in target.outcomes if outcome.status is status), key=lambda outcome: outcome.rule
    )


def by_reason(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes under their reason, since many rules are skipped for the same one."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(one_line(outcome.reason or "no reason given"), []).append(outcome)
    return groups


def counted_findings(counts: Mapping[str, int]) -> str:
    """`1 critical and 2 serious findings`, or `no findings`."""
    parts = [f"{counts[level.label]} {level.label}" for level in Severity if counts[level.label]]
    total = sum(counts[level.label] for level in Severity)
    return f"{listing(parts)} finding{'s' if total > 1 else ''}" if parts else "no findings"


def counted_outcomes(counts: Mapping[str, int]) -> str:
    """`27 rules passed, 5 skipped`, and waived findings or errors where there are any."""
    parts = [f"{plural(counts['passed'], 'rule')} passed", f"{counts['skipped']} skipped"]
    parts += [f"{counts[word]} {word}" for word in ("errored", "waived") if counts[word]]
    return ", ".join(parts)


def verdict(report: Report) -> str:
    """The last line: counts, exit code, and what it means."""
    counts = report.summary
    judged = any(target.outcomes for target in report.targets)
    words = f"{capital(counted_findings(counts))}; {counted_outcomes(counts)}" if judged else "Nothing was judged"
    stale = sum(len(target.stale_waivers) for target in report.targets)
    words += f"; {plural(stale, 'waiver')} to look at" if stale else ""
    return f"{words}. Exit code {report.exit_code}: {meaning(report)}."


def meaning(report: Report) -> str:
    """What the exit code says, in words."""
    if report.exit_code in EXIT_MEANINGS:
        return EXIT_MEANINGS[report.exit_code]
    if report.fail_on is None:
        return "nothing fails the run (--fail-on never)"
    if report.exit_code == 1 and not any(f.waiver is None and f.severity <= report.fail_on for f in report.findings):
        return "a waiver waives nothing (--strict-waivers)"
    if report.exit_code == 1:
        return f"a finding at or above {report.fail_on.label}"
    return f"nothing at or above {report.fail_on.label}"


def reproduction(target: TargetReport, rule: str) -> str:
    """The one command that shows a finding again."""
    words = shlex.split(target.command) if target.command else ["ppo-audit", "check", target.target]
    cut = words.index("--") if "--" in words else len(words)
    return one_line(shlex.join([*words[:cut], "--select", rule, *words[cut:]]))


def case_inputs(finding: Finding) -> dict[str, str]:
    """The inputs of the smallest counterexample, as text."""
    return {key: show(value) for key, value in finding.counterexample.items() if key not in RESULTS}


def case_result(finding: Finding) -> str:
    """`expected 0, got 4.852e8`: what the counterexample shows, as far as it says so."""
    shown = [
        f"{word} {show(finding.counterexample[key])}" for key, word in RESULTS.items() if key in finding.counterexample
    ]
    return ", ".join(shown)


def tried(fix: Fix) -> str:
    """Whether the edit was tried, in a sentence."""
    if fix.verified:
        return "Verified by a run: the violation is gone."
    if fix.choices:
        return "Several edits cure this and do not compute the same: which one was meant is for the author to say."
    return "Not verified by a run."


def changed_lines(diff: str) -> list[str]:
    """The lines that a diff takes away and adds, without its heads and what stays."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
    return [line for line in lines if line.startswith(("-", "+"))]


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """A nested profile as rows: `clip low` -> `0.8`."""
    rows: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{one_line(str(key).replace('_', ' '))}"
        rows |= flatten(value, f"{name} ") if isinstance(value, Mapping) else {name: show(value)}
    return rows


def _line(finding: Finding) -> tuple[str, int]:
    return (finding.location.file, finding.location.line) if finding.location else ("", 0)
