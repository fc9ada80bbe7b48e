"""Every rule on every helper of the corpus: correct ones are silent, each fault is one finding of its own rule."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import pytest

from ppo_audit import Severity
from ppo_audit.api import audit
from ppo_audit.findings import Finding, Status, TargetReport
from ppo_audit.settings import Settings
from tests.corpus import helper_catalogue as catalogue
from tests.corpus.catalogue import Correct, Fault, lines_of, write

ATTRIBUTES = {helper.name: helper.attribute for helper in catalogue.HELPERS}
ELSEWHERE = frozenset(
    "lambda_ignored tokens_not_turned_back bootstrap_through_ends episodes_strung_together last_flag_forgotten "
    "returns_of_normalised first_answer_as_baseline guard_lost "
    "helper_k3_reversed "
    "log_std_as_deviation log_prob_unnormalised value_loss_of_clipped_only huber_is_flat "
    "clip_fraction_padded whitening_over_padding "
    "controller_without_bound controller_lr_like_coefficient".split()
)
"""Faults that are found, but not on the edited line: the cure is two edits, or lies on another line as well."""


@cache
def entry_of(path: Path, base: str) -> TargetReport:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return audit(f"{path}:{ATTRIBUTES[base]}", Settings(trials=0)).targets[0]


def grave(entry: TargetReport) -> list[Finding]:
    return [finding for finding in entry.findings if finding.severity <= Severity.SERIOUS]


def named(items):
    return [pytest.param(item, id=item.name) for item in items]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("helpers")


def test_every_file_is_listed_once():
    assert sorted(helper.name for helper in catalogue.HELPERS) == sorted(
        path.stem for path in catalogue.FOLDER.glob("*.py")
    )


@pytest.mark.parametrize("helper", named(catalogue.HELPERS))
class TestCorrectHelpers:
    def test_it_is_judged_as_what_it_is(self, helper: Correct):
        entry = entry_of(helper.path, helper.name)
        assert (entry.error, entry.kind) == (None, helper.kind)
        assert [outcome.reason for outcome in entry.outcomes if outcome.status is Status.ERRORED] == []
        assert any(outcome.status is Status.PASSED for outcome in entry.outcomes)

    def test_it_is_silent(self, helper: Correct):
        assert grave(entry_of(helper.path, helper.name)) == []


@pytest.mark.parametrize("fault", named(catalogue.FAULTS))
class TestFaults:
    def test_its_own_rule_flags_it_and_no_other(self, fault: Fault, folder: Path):
        entry = entry_of(write(fault, folder), fault.base)
        assert fault.rule in [finding.rule for finding in entry.findings]
        assert {finding.rule for finding in grave(entry)} <= {fault.rule}

    def test_the_finding_is_at_the_edited_line(self, fault: Fault, folder: Path, request: pytest.FixtureRequest):
        if fault.name in ELSEWHERE:
            request.applymarker(pytest.mark.xfail(strict=True, reason="found, but its line is not"))
        entry = entry_of(write(fault, folder), fault.base)
        finding = next(finding for finding in entry.findings if finding.rule == fault.rule)
        assert finding.location is not None
        assert finding.location.line in lines_of(fault)
