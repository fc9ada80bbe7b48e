"""Real audits of targets that put markup and control characters wherever their text can reach: no format breaks."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import jsonschema
import pytest
import xmlschema

from ppo_audit import reports
from ppo_audit.api import audit_targets
from ppo_audit.findings import Report
from ppo_audit.settings import Settings
from tests.reports.samples import TRAPS
from tests.reports.test_html_report import Page

HERE = Path(__file__)
SARIF = HERE.parents[3] / "shared" / "data" / "sarif-schema-2.1.0.json"
RAISES = "def loss(log_prob, old_log_prob, advantages):\n    raise RuntimeError({text!r})\n"
FLAGGED = """
import torch
def loss(log_prob, old_log_prob, advantages, clip=0.2):  # ε </script> ]]> <b>
    ratio = torch.exp(log_prob - old_log_prob)  # </script>]]>```::error::x\u202e
    low = [torch.max(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages), "</pre><script>x</script>"]
    return -low[0].mean()
"""
RISKY = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")


@functools.cache
def audited(source: str, folder: Path) -> Report:
    file = folder / "a'<b>&]]>.py"
    file.write_text(source, encoding="utf-8")
    return audit_targets([f"{file}:loss", "no<such>]]>\x1b[31m:x"], Settings(select=("PPO001", "PPO102"), curves=True))


def check_every_format(report: Report) -> None:
    texts = {name: reports.render(report, name) for name in reports.WRITERS}
    assert {name for name, text in texts.items() if RISKY.search(text)} == set()
    jsonschema.Draft7Validator(json.loads(SARIF.read_text(encoding="utf-8"))).validate(json.loads(texts["sarif"]))
    xmlschema.XMLSchema(HERE.with_name("junit.xsd")).validate(texts["junit"])
    json.loads(texts["json"])
    page = Page(texts["html"])
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert page.unbalanced == page.open == []
    assert all(re.match("::(error|warning|notice) ", line) for line in texts["github"].splitlines())


@pytest.mark.parametrize("text", TRAPS)
def test_a_target_that_raises_a_trap(text: str, tmp_path: Path):
    check_every_format(audited(RAISES.format(text=text), tmp_path))


def test_a_target_whose_flagged_line_is_a_trap(tmp_path: Path):
    report = audited(FLAGGED, tmp_path)
    assert [finding.rule for finding in report.findings] == ["PPO102"]
    check_every_format(report)
