"""Annotations and step summary stay within GitHub's limits, most severe first, and no text becomes a command."""

from __future__ import annotations

import dataclasses
import re

import pytest
from syrupy.assertion import SnapshotAssertion

from ppo_audit.findings import Location, Severity
from ppo_audit.reports import github, step_summary
from tests.reports.samples import LOSS, OVERFLOW, REPORTS, TRAPS, many, report, with_text

COMMAND = re.compile(r"::(error|warning|notice) ((?:\w+=[^,:\n]*,?)+)::([^\n\r]*)")
PER_LEVEL, BYTES = 10, 1024 * 1024


@pytest.mark.parametrize("name", REPORTS)
def test_annotations(name: str, text_file: SnapshotAssertion):
    assert github.render(REPORTS[name]) == text_file


@pytest.mark.parametrize("name", REPORTS)
def test_summary(name: str, markdown_file: SnapshotAssertion):
    assert step_summary.render(REPORTS[name]) == markdown_file


@pytest.mark.parametrize("text", TRAPS)
def test_every_line_is_one_of_our_commands_whatever_the_target_says(text: str):
    given = dataclasses.replace(with_text(text), error=None)
    lines = github.render(report(given, dataclasses.replace(given, error=text))).split("\n")
    assert lines.pop() == ""
    assert lines
    assert all(COMMAND.fullmatch(line) for line in lines)


def test_line_breaks_and_separators_are_escaped():
    finding = dataclasses.replace(OVERFLOW, location=Location("a,b:c%.py", 3), message="50 % of\nit")
    (line,) = github.render(report(dataclasses.replace(LOSS, findings=(finding,)))).splitlines()
    assert "file=a%2Cb%3Ac%25.py,line=3,title=" in line
    assert "::50 %25 of it.%0ACase: " in line


class TestTwoHundredFindings:
    lines = github.render(many(200)).splitlines()

    @pytest.mark.parametrize("level", ["error", "warning", "notice"])
    def test_ten_of_a_level_are_kept(self, level: str):
        assert sum(line.startswith(f"::{level} ") for line in self.lines) == PER_LEVEL

    def test_the_most_severe_come_first(self):
        levels = [line[2:].split()[0] for line in self.lines]
        assert levels == sorted(levels, key=["error", "warning", "notice"].index)

    def test_what_was_left_out_is_said(self):
        assert "56 errors, 57 warnings and 58 notices not shown here" in self.lines[-1]

    def test_the_summary_fits(self):
        assert len(step_summary.render(many(200)).encode()) < BYTES


class TestSummaryLimit:
    text = step_summary.render(many(200), limit=20_000)

    def test_it_is_kept(self):
        assert len(self.text.encode()) < 20_000

    def test_what_was_left_out_is_said(self):
        assert re.search(r"\d+ sections left out, the least severe", self.text)

    def test_the_most_severe_are_kept(self):
        kept = re.findall(r"^### (\S)", self.text, re.M)
        assert set(kept) == {"🔴"}

    def test_it_is_cut_between_findings(self):
        assert self.text.count("<details>") == self.text.count("</details>") > 0


def test_severities_have_a_level_each():
    assert [github.LEVELS[severity] for severity in Severity] == ["error", "warning", "notice"]
