"""`check --diff`, `--fix` and `--unsafe-fixes`: the fixes of a report shown, or written and audited again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ppo_audit import reports
from ppo_audit.findings import Edit, Finding, Report
from ppo_audit.repair.applying import apply
from ppo_audit.settings import Settings

ROUNDS = 5
"""Audits at the most: a fix may uncover what it had hidden."""
RERUNS = 12
"""Times that a script is run again for one finding, each time with another edit."""

Diff = Annotated[bool, typer.Option("--diff", help="Print the fixes as diffs in place of the report; write nothing.")]
FixThem = Annotated[bool, typer.Option("--fix", help="Write the verified fixes, and audit again.")]
UnsafeFixes = Annotated[
    bool, typer.Option("--unsafe-fixes", help="Also the first of several cures that do not compute the same.")
]
Run = Callable[[Sequence[str], Settings], Report]


@dataclass(frozen=True)
class Offer:
    """One fix of a finding: what it is, its diff and its edit."""

    finding: Finding
    text: str
    diff: str
    edit: Edit


def offers(report: Report, unsafe: bool) -> Iterator[Offer]:
    """The fixes of open findings: those that were verified; with `unsafe` also the first of several choices."""
    for finding in report.findings:
        fix = finding.fix
        if fix is None or finding.waiver is not None:
            continue
        if fix.verified and fix.edit is not None and fix.diff:
            yield Offer(finding, fix.proof, fix.diff, fix.edit)
        elif unsafe and fix.choices:
            choice = fix.choices[0]
            yield Offer(finding, f"With {choice.text}. {choice.price}".rstrip(), choice.diff, choice.edit)


def diffs(report: Report, unsafe: bool) -> str:
    """The fixes as one patch, each diff once; which rule wants it stands above it."""
    shown: dict[str, list[str]] = {}
    for offer in offers(report, unsafe):
        shown.setdefault(offer.diff, []).append(f"# {offer.finding.rule} {offer.finding.name}: {offer.text}")
    return "".join("\n".join((*dict.fromkeys(heads), diff, "")) for diff, heads in shown.items())


def show(report: Report, unsafe: bool) -> int:
    """Print the patch, and the verdict beside it; the exit code is that of the audit."""
    print(diffs(report, unsafe), end="")
    print(reports.verdict(report), file=sys.stderr)
    return report.exit_code


def fixed(run: Run, targets: Sequence[str], settings: Settings, unsafe: bool) -> Report:
    """Audit, write fixes and audit again until nothing is left to write; what happens is told on stderr."""
    root = Path.cwd()
    for _ in range(ROUNDS):
        report = run(targets, settings)
        found = list(offers(report, unsafe))
        written, refused = apply([offer.edit for offer in found], root)
        for offer in found:
            if offer.edit in written:
                print(f"Fixed {offer.finding.rule} in {offer.edit.file}: {offer.text}", file=sys.stderr)
        for refusal in {each.edit: each for each in refused}.values():
            print(f"Not fixed: {refusal.why}.", file=sys.stderr)
        if not written:
            return report
    return run(targets, settings)
