"""The markdown report reads as a review, and no text of the target becomes markup."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from syrupy.assertion import SnapshotAssertion

from ppo_audit.reports import markdown
from tests.reports.samples import HOSTILE, NASTY, REPORTS, report, with_text


def html(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, markdown_file: SnapshotAssertion):
    assert markdown.render(REPORTS[name]) == markdown_file


class TestHostileText:
    def test_no_element_comes_from_the_target(self):
        tags = set(re.findall(r"<(\w+)", html(markdown.render(report(HOSTILE)))))
        ours = {
            "h1",
            "h2",
            "h3",
            "p",
            "strong",
            "code",
            "pre",
            "ul",
            "ol",
            "li",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
        }
        assert tags <= ours

    def test_it_has_the_elements_of_the_same_report_with_harmless_text(self):
        hostile, harmless = (html(markdown.render(report(with_text(text)))) for text in (NASTY, "x"))
        assert [hostile.count(f"<{tag}>") for tag in ("h1", "h2", "h3", "li", "td", "pre")] == [
            harmless.count(f"<{tag}>") for tag in ("h1", "h2", "h3", "li", "td", "pre")
        ]

    def test_no_control_or_invisible_character_is_left(self):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", markdown.render(report(HOSTILE)))


def test_the_sections_stand_in_the_order_of_the_architecture():
    titles = re.findall(r"^## (.*)", markdown.render(REPORTS["worked_example"]), re.M)
    assert titles == [
        "Method",
        "Summary",
        "Critical",
        "Serious",
        "Potential",
        "Waived",
        "Done right",
        "Worth considering",
        "Recommendations by priority",
        "Not covered",
        "How it was called",
        "What it was measured to be",
        "How to reproduce",
    ]


def test_without_findings_it_says_what_was_judged_and_what_was_not():
    text = markdown.render(REPORTS["no_findings"])
    assert "**No findings.** 1 rule passed, 2 skipped." in text
    assert "PPO401 entropy-sign" in text
    assert "The loss takes no mask." in text
