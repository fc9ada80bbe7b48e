"""What a call replaced cannot show is found by its neighbours: settings, masks, the other pass of a function."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit.api import audit_targets
from ppo_audit.settings import Settings
from tests.corpus import catalogue, mutation

MUTANTS = {mutant.name: mutant for mutant in mutation.sample()}


def lines_named(name: str, rule: str, folder: Path) -> list[int]:
    """The lines that one rule's finding on a generated fault names, in order."""
    mutant = MUTANTS[name]
    attribute = next(correct.attribute for correct in catalogue.CORRECT if correct.name == mutant.base)
    spec = f"{mutation.write(mutant, folder)}:{attribute}"
    (entry,) = audit_targets([spec], Settings(select=(rule,), trials=0)).targets
    (finding,) = entry.findings
    return [place.line for place in (finding.location, *finding.alternatives) if place is not None]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("per_head_sum:11:19 clip: radius for bound", "PPO106"),
        ("one_sided_clamp:9:14 surrogate: clip lost", "PPO102"),
        ("one_sided_clamp:12:18 value: coefficient twice", "PPO305"),
        ("masked_whitening:23:77 mask: inverted", "PPO501"),
        ("cispo_weights:10:34 mask: inverted", "PPO501"),
    ],
)
def test_the_edited_line_is_named_first(name: str, rule: str, tmp_path: Path):
    assert lines_named(name, rule, tmp_path)[0] == MUTANTS[name].line


def test_a_gradient_that_is_not_of_its_value_may_be_wrong_in_the_forward_pass(tmp_path: Path):
    name = "custom_function:9:16 ratio: another base"
    assert MUTANTS[name].line in lines_named(name, "PPO006", tmp_path)
