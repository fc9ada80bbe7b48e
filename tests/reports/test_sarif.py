"""SARIF validates against the schema of OASIS, and says what a viewer needs to place, track and mend a finding."""

from __future__ import annotations

import dataclasses
import gzip
import json

import pytest
from syrupy.assertion import SnapshotAssertion

from ppo_audit.findings import Fix, Location, Report
from ppo_audit.reports import sarif
from tests.reports.samples import CLEAN, LOSS, OVERFLOW, REPORTS, TRAPS, many, report, with_text
from tests.reports.schemas import validator

MOST_RESULTS, MOST_RULES, LARGEST_FILE = 5_000, 25_000, 10 * 1024**2
"""Results shown, rules of a run, and bytes of the compressed file."""
DIFF = "--- a.py\n+++ a.py\n@@ -40,3 +40,3 @@\n before\n-    ratio = bad\n+    ratio = good\n after"


def run(given: Report) -> dict:
    document = json.loads(sarif.render(given))
    validator().validate(document)
    return document["runs"][0]


def result(**changes: object) -> dict:
    changed = dataclasses.replace(OVERFLOW, **changes)
    return run(report(dataclasses.replace(LOSS, findings=(changed,))))["results"][0]


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, sarif_file: SnapshotAssertion):
    assert sarif.render(REPORTS[name]) == sarif_file


@pytest.mark.parametrize("name", REPORTS)
def test_it_validates(name: str):
    run(REPORTS[name])


@pytest.mark.parametrize("text", TRAPS)
def test_it_validates_and_is_utf8_whatever_the_target_says(text: str):
    run(report(with_text(text)))
    assert "\\ud800" not in sarif.render(report(with_text(text))).replace("\\\\ud800", "")


def test_two_hundred_findings_stay_within_what_github_takes():
    found = run(many(200))
    assert len(found["results"]) == 200 <= MOST_RESULTS
    assert len(found["tool"]["driver"]["rules"]) <= MOST_RULES
    assert len(gzip.compress(sarif.render(many(200)).encode())) <= LARGEST_FILE


def test_a_comment_suppresses_in_the_source_and_a_file_from_outside():
    kinds = [result(waiver="known", is_waived_inline=inline)["suppressions"][0]["kind"] for inline in (True, False)]
    assert kinds == ["inSource", "external"]


class TestResult:
    def test_has_a_region_with_columns(self):
        physical = result()["locations"][0]["physicalLocation"]
        assert physical["artifactLocation"] == {"uri": "distributional_ppo.py", "uriBaseId": "%SRCROOT%"}
        assert {key: physical["region"][key] for key in ("startLine", "startColumn", "endLine", "endColumn")} == {
            "startLine": 41,
            "startColumn": 13,
            "endLine": 41,
            "endColumn": 55,
        }

    def test_without_a_line_points_at_the_target(self):
        physical = result(location=None)["locations"][0]["physicalLocation"]
        assert (physical["artifactLocation"]["uri"], physical["region"]) == ("distributional_ppo.py", {"startLine": 30})

    @pytest.mark.parametrize(
        ("file", "uri"), [("a b/ü.py", "a%20b/%C3%BC.py"), ("/x/y z.py", "file:///x/y%20z.py"), ("a:b.py", "a%3Ab.py")]
    )
    def test_paths_are_escaped(self, file: str, uri: str):
        found = result(location=Location(file, 1))["locations"][0]["physicalLocation"]["artifactLocation"]
        assert found["uri"] == uri

    def test_keeps_its_fingerprint_where_lines_move(self):
        moved = result(location=dataclasses.replace(OVERFLOW.location, line=99), message="other words")
        assert moved["partialFingerprints"] == result()["partialFingerprints"] == {"ppoAudit/v1": "0123456789abcdef"}

    def test_of_a_waiver_is_suppressed_with_the_reason(self):
        (suppression,) = result(waiver="known, see issue 7")["suppressions"]
        assert suppression["justification"] == "known, see issue 7."

    def test_without_a_waiver_says_that_nothing_is_suppressed(self):
        assert result()["suppressions"] == []

    def test_other_lines_with_the_same_effect_are_related(self):
        related = result(alternatives=(Location("b.py", 7, 2, 7, 9),))["relatedLocations"]
        assert [place["physicalLocation"]["region"]["startLine"] for place in related] == [7]


class TestFix:
    def test_of_a_unified_diff_replaces_its_lines(self):
        (fix,) = result(fix=Fix("Do it.", DIFF, verified=True))["fixes"]
        (replacement,) = fix["artifactChanges"][0]["replacements"]
        assert replacement["deletedRegion"] == {"startLine": 41, "startColumn": 1, "endLine": 41, "endColumn": 16}
        assert replacement["insertedContent"]["text"] == "    ratio = good"
        assert fix["description"]["text"] == "Do it. Verified by a run: the violation is gone."

    @pytest.mark.parametrize("diff", [None, "-something else\n+x"])
    def test_is_left_out_where_its_lines_are_not_known(self, diff: str | None):
        assert "fixes" not in result(fix=Fix("Do it.", diff))


class TestRules:
    def test_every_result_refers_to_its_rule(self):
        log = run(REPORTS["worked_example"])
        rules = log["tool"]["driver"]["rules"]
        assert all(rules[found["ruleIndex"]]["id"] == found["ruleId"] for found in log["results"])

    def test_a_rule_that_found_something_brings_its_page(self):
        rules = {rule["id"]: rule for rule in run(REPORTS["worked_example"])["tool"]["driver"]["rules"]}
        assert rules["PPO101"]["helpUri"] == "https://arxiv.org/abs/1707.06347"
        assert rules["PPO101"]["defaultConfiguration"]["level"] == "error"
        assert "**The mathematics.**" in rules["PPO101"]["help"]["markdown"]


class TestInvocation:
    def test_tells_the_exit_code_and_what_could_not_be_judged(self):
        (invocation,) = run(REPORTS["several_targets"])["invocations"]
        texts = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
        assert (invocation["exitCode"], invocation["executionSuccessful"]) == (2, False)
        assert any(text.startswith("nowhere:loss: nothing was judged.") for text in texts)
        assert any("PPO412 kl-estimates-the-kl ended in an error" in text for text in texts)

    def test_findings_are_a_success_of_the_tool(self):
        (invocation,) = run(report(dataclasses.replace(CLEAN, exit_code=1)))["invocations"]
        assert invocation["executionSuccessful"]
