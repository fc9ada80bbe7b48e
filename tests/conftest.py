"""Every report that a test makes in this process, whatever it is about, validates as SARIF and as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unittest import mock

import pytest

from ppo_audit.findings import Report, TargetReport
from ppo_audit.run_report import report_of
from ppo_audit.settings import Settings
from tests.reports.schemas import expect_valid


def _checked(entries: Sequence[TargetReport], settings: Settings, spec: str) -> Report:
    made = report_of(entries, settings, spec)
    expect_valid(made)
    return made


@pytest.fixture(autouse=True, scope="session")
def _reports_validate() -> Iterator[None]:
    with mock.patch("ppo_audit.api.report_of", _checked), mock.patch("ppo_audit.isolation.pool.report_of", _checked):
        yield
