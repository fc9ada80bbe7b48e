"""Prose, code spans and code blocks hold any text."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from ppo_audit.reports import _markup as markup
from tests.reports.samples import NASTY


def html(text: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


@pytest.mark.parametrize("text", [NASTY, "__init__", "**a**", "a*b*c", "- x", "1. x", "> q", "=", "--", "# h", "~~x~~"])
def test_prose_renders_as_the_text_that_was_given(text: str):
    assert html(markup.prose(text)).count("<p>") == 1
    assert not re.search(r"<(?!/?(p|code)>)", html(markup.prose(text)))


@pytest.mark.parametrize("text", ["log_ratio in [-20, 20]", "2 * 3 = 6", "-1", "a < b", "`x_y` is -1.5", "5 % | 6 %"])
def test_ordinary_prose_stays_as_written(text: str):
    assert markup.prose(text) == text


@pytest.mark.parametrize("text", ["a`b", "``", "`a`", "x```y"])
def test_code_spans_hold_backticks(text: str):
    assert html(markup.code(text)) == f"<p><code>{text}</code></p>\n"


def test_a_fence_is_longer_than_any_in_the_text():
    assert html(markup.fence("```\nx")).count("<pre>") == 1
