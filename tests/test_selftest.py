"""The self-test meets its goals, and no cell of the stored matrix has got worse."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ppo_audit import selftest

MATRIX = Path(__file__).parent / "corpus" / "matrix.json"


@pytest.fixture(scope="module")
def cells():
    return selftest.run()


def test_faults_are_found_owned_and_placed_and_no_correct_loss_is_accused(cells):
    figures = selftest.figures(cells)
    print("\n".join(selftest.table(cells)))
    assert figures.meets_the_goal(), selftest.table(cells)


def test_no_cell_is_worse_than_in_the_stored_matrix(cells):
    assert selftest.worse(json.loads(MATRIX.read_text()), cells) == []


OWNED = selftest.Cell("no_clip", "plain_min", "PPO102", ("PPO102",), is_owned=True, is_at_line=True)
SILENT = selftest.Cell("plain_min", "plain_min", None, (), is_owned=True, is_at_line=True)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([OWNED, SILENT], []),
        ([replace(OWNED, is_owned=False, is_at_line=False), SILENT], ["no_clip: no longer flagged by PPO102"]),
        ([replace(OWNED, is_at_line=False), SILENT], ["no_clip: PPO102 no longer at its line"]),
        ([OWNED, replace(SILENT, false_alarms=("PPO104",))], ["plain_min: false alarm by PPO104"]),
        ([SILENT], ["no_clip: gone from the corpus"]),
    ],
)
def test_what_got_worse_is_named(now, said):
    before = json.loads(selftest.matrix([OWNED, SILENT]))
    assert selftest.worse(before, now) == said
