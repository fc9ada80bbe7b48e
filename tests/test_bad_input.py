"""What `ppo-audit check` says of targets that are wrong: the exit code, the reason, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit import cli
from tests.targets.bad.cases import BAD_TARGETS, BadTarget

ROOT = Path(__file__).parents[1]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", BAD_TARGETS, ids=lambda case: case.spec.rpartition("/")[2])
def test_a_bad_target_is_answered_with_its_reason(case: BadTarget, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as stop:
        cli.main(["check", case.spec])
    captured = capsys.readouterr()
    said = " ".join((captured.out + captured.err).split())  # a report is wrapped
    assert case.fragment in said
    assert "Traceback" not in said
    assert stop.value.code == case.exit_code
