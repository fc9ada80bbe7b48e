"""Every format shows what was waived with its reason, and the waivers that waive nothing."""

from __future__ import annotations

import pytest

from ppo_audit import reports
from tests.reports.samples import REPORTS

SHOWING = [name for name in reports.WRITERS if name != "github"]


@pytest.mark.parametrize("name", SHOWING)
def test_a_waived_finding_stays_visible(name: str):
    text = reports.render(REPORTS["worked_example"], name).casefold()
    assert "ppo202" in text
    assert "minibatches are never of one" in text


@pytest.mark.parametrize("name", reports.WRITERS)
def test_a_waiver_that_waives_nothing_is_told(name: str):
    text = reports.render(REPORTS["stale_waiver"], name)
    assert "PPO302" in text
    assert "t expired on 2026-01-01" in text
