"""What the self-test counts, and that no generated fault is met worse than in the stored sample."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ppo_audit import selftest
from ppo_audit.corpus import mutation

STORED = json.loads((Path(__file__).parent / "corpus" / "generated.json").read_text())
PART = 8
"""Every so many of the generated faults: all of them take minutes."""


@pytest.fixture(scope="module")
def sample():
    return {each.name: each for each in mutation.sample()}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [each["name"] for each in STORED[::PART]])
def test_no_generated_cell_is_worse_than_in_the_stored_sample(name, sample):
    assert selftest.worse_generated(STORED, [selftest.generated_cell(sample[name])]) == []


def test_the_stored_sample_is_what_the_seed_gives(sample):
    stored = [(each["name"], each["old"], each["new"]) for each in STORED]
    assert stored == [(each.name, each.old, each.new) for each in sample.values()]


DIFFERS = mutation.Proof("differs", 25, 1.0)
MUTANT = selftest.Generated("a:1:0 slip", True, ("PPO102",), "min", "max", DIFFERS, ("PPO102",), True, True, 1)
DESIGN = selftest.Generated("a:1:0 design", False, (), "0.2", "0.1", DIFFERS, (), False, False, 0)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (MUTANT, []),
        (replace(MUTANT, flagged=(), is_owned=False), ["a:1:0 slip: no longer flagged"]),
        (replace(MUTANT, flagged=("PPO104",), is_owned=False), ["a:1:0 slip: no longer flagged by an owner"]),
        (replace(MUTANT, is_at_line=False, rank=0), ["a:1:0 slip: no longer at its line"]),
        (replace(MUTANT, rank=2), ["a:1:0 slip: its line is named later"]),
        (replace(MUTANT, new="sum"), ["a:1:0 slip: not in the stored sample"]),
        (replace(DESIGN, flagged=("PPO104",)), ["a:1:0 design: false alarm by PPO104"]),
    ],
)
def test_what_got_worse_of_the_generated_is_named(now, said):
    before = json.loads(selftest.matrix([MUTANT, DESIGN]))
    assert selftest.worse_generated(before, [now]) == said


def test_figures_of_the_generated_leave_out_what_proves_nothing():
    dead = replace(MUTANT, proof=mutation.Proof("equivalent", 25, 0.0), flagged=(), is_owned=False, is_at_line=False)
    found = selftest.generated_figures([MUTANT, dead, DESIGN])
    assert (found.faults, found.flagged, found.equivalent, found.designs, found.accused) == (1, 1.0, 1, 1, 0)


OWNED = selftest.Cell("no_clip", "plain_min", "PPO102", ("PPO102",), is_owned=True, is_at_line=True, rank=1)
SILENT = selftest.Cell("plain_min", "plain_min", None, (), is_owned=True, is_at_line=True, rank=0)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([OWNED, SILENT], []),
        ([replace(OWNED, is_owned=False, is_at_line=False), SILENT], ["no_clip: no longer flagged by PPO102"]),
        ([replace(OWNED, is_at_line=False, rank=0), SILENT], ["no_clip: PPO102 no longer at its line"]),
        ([replace(OWNED, rank=3), SILENT], ["no_clip: its line is named later"]),
        ([OWNED, replace(SILENT, false_alarms=("PPO104",))], ["plain_min: false alarm by PPO104"]),
        ([SILENT], ["no_clip: gone from the corpus"]),
    ],
)
def test_what_got_worse_is_named(now, said):
    before = json.loads(selftest.matrix([OWNED, SILENT]))
    assert selftest.worse(before, now) == said
