"""A place names characters, whatever the encoding of the line."""

from __future__ import annotations

import linecache
from pathlib import Path

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings

SOURCE = """
import torch
def loss(log_prob, old_log_prob, advantages):
    ε = 0.2; ratio = torch.exp(log_prob - old_log_prob)
    return -torch.min(ratio * advantages, ratio.clamp(1 - ε, 1 + ε) * advantages).mean()
"""


def test_columns_count_characters_and_not_bytes(tmp_path: Path):
    file = tmp_path / "greek.py"
    file.write_text(SOURCE, encoding="utf-8")
    (entry,) = audit_targets([f"{file}:loss"], Settings(select=("PPO101",))).targets
    (finding,) = entry.findings
    place = finding.location
    assert place is not None
    line = linecache.getline(str(file), place.line)
    assert line[(place.column or 0) - 1 : (place.end_column or 0) - 1] == "torch.exp(log_prob - old_log_prob)"
