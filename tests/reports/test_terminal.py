"""The terminal report is compact, prints the target's text as letters, and ends with the verdict."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion

from ppo_audit.reports import terminal
from tests.reports.samples import HOSTILE, REPORTS, report


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, text_file: SnapshotAssertion):
    assert terminal.render(REPORTS[name]) == text_file


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [40, 100])
def test_the_last_line_holds_verdict_and_exit_code(name: str, width: int):
    last = terminal.render(REPORTS[name], width).splitlines()[-1]
    assert f"Exit code {REPORTS[name].exit_code}:" in last


def test_commands_are_never_broken_over_lines():
    command = "ppo-audit check distributional_ppo:loss --role=old_log_prob=lp --select PPO101 -- --steps 8"
    assert command in terminal.render(REPORTS["worked_example"], width=40)


def test_plain_text_has_no_escape_sequences():
    assert "\x1b" not in terminal.render(report(HOSTILE))


def test_colour_comes_from_us_only():
    text = terminal.render(report(HOSTILE), palette="colour")
    assert "\x1b[1;31m● critical" in text
    assert "\x1b[31mred" not in text


def test_rich_markup_and_emoji_of_the_target_stay_letters():
    text = terminal.render(report(HOSTILE), width=500)
    assert "[bold]b[/bold]" in text
    assert ":x:" in text
