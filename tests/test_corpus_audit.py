"""Every rule on every loss of the corpus: correct ones show their hazards only, each fault is one finding in place.

`python -m tests.test_corpus_audit` prints the table behind the figures.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from ppo_audit import Severity
from ppo_audit.api import audit
from ppo_audit.findings import Finding, Status, TargetReport
from ppo_audit.rules import catalogue as rules
from ppo_audit.settings import Settings
from tests.corpus import catalogue

SETTINGS = {
    "probability_ratio": Settings(roles=(("old_log_prob", "old_action_probs"),)),
    "policy_and_batch": Settings(inputs=f"{catalogue.FOLDER}/policy_and_batch.py:make_args"),
    "upcast_lost": Settings(values=(("dtype", "bfloat16"),)),
}
"""What a user has to say where names do not tell."""
ATTRIBUTES = {correct.name: correct.attribute for correct in catalogue.CORRECT}
FAULTS = tuple(fault for fault in (*catalogue.FAULTS, *catalogue.FAULTS_LATER) if fault.rule in rules())


MISSED = {
    "probabilities_upside_down": "a ratio of probabilities is no exponential: it has no landmark yet",
    "entropy_from_taken_action": "-log p of the action taken reads as an estimate, which others use by design",
}
"""Faults that their own rule does not flag, and why; an honest list, to be shortened."""


@dataclass(frozen=True)
class Figures:
    """How the faults were met, and the findings on correct losses that are no hazards of theirs."""

    faults: int
    flagged: int
    owned: int
    alone: int
    right_line: int
    correct: int
    false_alarms: tuple[str, ...]


@cache
def entry_of(path: Path, base: str) -> TargetReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = SETTINGS.get(path.stem, SETTINGS.get(base, Settings()))
        return audit(f"{path}:{ATTRIBUTES[base]}", replace(chosen, trials=0)).targets[0]


@cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="ppo-audit-corpus-"))


def correct_entry(correct: catalogue.Correct) -> TargetReport:
    return entry_of(correct.path, correct.name)


def fault_entry(fault: catalogue.Fault) -> TargetReport:
    return entry_of(catalogue.write(fault, folder()), fault.base)


def grave(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity <= Severity.SERIOUS]


def owner(fault: catalogue.Fault) -> Finding | None:
    return next((finding for finding in fault_entry(fault).findings if finding.rule == fault.rule), None)


def lines_named(finding: Finding) -> set[int]:
    """The line of the finding, and those where an edit has the same effect."""
    return {place.line for place in (finding.location, *finding.alternatives) if place is not None}


def unexpected(entry: TargetReport, allowed: Iterable[str]) -> list[str]:
    return [finding.rule for finding in grave(entry.findings) if finding.rule not in set(allowed)]


def hazards_of(fault: catalogue.Fault) -> tuple[str, ...]:
    """The hazards of the loss that the fault was made from: an edit seldom removes them."""
    return next(correct.hazards for correct in catalogue.CORRECT if correct.name == fault.base)


def figures() -> Figures:
    found = [(fault, fault_entry(fault), owner(fault)) for fault in FAULTS]
    owned = [(fault, entry, finding) for fault, entry, finding in found if finding is not None]
    alarms = [
        f"{correct.name}: {rule}"
        for correct in catalogue.CORRECT
        for rule in unexpected(correct_entry(correct), correct.hazards)
    ]
    return Figures(
        faults=len(FAULTS),
        flagged=sum(bool(unexpected(entry, hazards_of(fault)) or finding) for fault, entry, finding in found),
        owned=len(owned),
        alone=sum(not unexpected(entry, (*hazards_of(fault), fault.rule)) for fault, entry, _ in owned),
        right_line=sum(bool(lines_named(finding) & catalogue.lines_of(fault)) for fault, _, finding in owned),
        correct=len(catalogue.CORRECT),
        false_alarms=tuple(alarms),
    )


def named(items, but: Mapping[str, str] | None = None):
    """Parameters by name; those in `but`, with their reasons, are known to fail."""
    open_ones = {name: pytest.mark.xfail(reason=reason, strict=True) for name, reason in (but or {}).items()}
    return [pytest.param(item, id=item.name, marks=open_ones.get(item.name, ())) for item in items]


UNSEEN = {"probability_ratio": "a ratio of probabilities is no exponential: it has no landmark yet"}
"""Correct losses whose hazard is not seen."""


class TestCorrectLosses:
    @pytest.mark.parametrize("correct", named(catalogue.CORRECT))
    def test_it_is_judged(self, correct: catalogue.Correct):
        entry = correct_entry(correct)
        assert entry.error is None
        assert [outcome.reason for outcome in entry.outcomes if outcome.status is Status.ERRORED] == []

    @pytest.mark.parametrize("correct", named(catalogue.CORRECT, but=UNSEEN))
    def test_it_shows_its_hazards_and_nothing_else(self, correct: catalogue.Correct):
        assert [finding.rule for finding in grave(correct_entry(correct).findings)] == list(correct.hazards)


class TestFaults:
    @pytest.mark.parametrize("fault", named(FAULTS, but=MISSED))
    def test_its_own_rule_flags_it(self, fault: catalogue.Fault):
        assert owner(fault) is not None

    @pytest.mark.parametrize("fault", named(FAULTS))
    def test_nothing_else_is_a_finding(self, fault: catalogue.Fault):
        assert unexpected(fault_entry(fault), (*hazards_of(fault), fault.rule)) == []

    @pytest.mark.parametrize("fault", named(FAULTS, but=MISSED))
    def test_the_finding_is_at_the_edited_line(self, fault: catalogue.Fault):
        finding = owner(fault)
        assert finding is not None
        assert lines_named(finding) & catalogue.lines_of(fault)


def test_figures(capsys: pytest.CaptureFixture[str]):
    found = figures()
    with capsys.disabled():
        print(
            f"\ncorpus: {found.faults} faults, {found.flagged} flagged, {found.owned} by their own rule, "
            f"{found.alone} by it alone, {found.right_line} at their line; "
            f"{found.correct} correct losses, {len(found.false_alarms)} false alarms"
        )
    assert found.false_alarms == ()
    assert found.owned == found.faults - len(MISSED)


def _faults_missed(codes: set[str]) -> Iterable[str]:
    for fault in FAULTS:
        entry, finding = fault_entry(fault), owner(fault)
        lines = lines_named(finding) if finding else set()
        others = unexpected(entry, (*hazards_of(fault), fault.rule))
        if (not codes or fault.rule in codes) and (not lines & catalogue.lines_of(fault) or others):
            found = f"at {sorted(lines)}" if finding else "not flagged"
            edited = sorted(catalogue.lines_of(fault))
            yield f"{fault.rule} {fault.name}: {found}, edited {edited}, others {others} {entry.error or ''}"


if __name__ == "__main__":
    print("\n".join(_faults_missed(set(sys.argv[1:]))))
    print(figures())
