"""The gate stays silent on refactorings and finds the faults of the self-test, each with a region."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ppo_audit import selftest
from ppo_audit.gate.store import dumps, read
from tests.gate.corpus import EDITS, moved, moved_by, moved_by_all, snapshot_of, spec_of
from tests.gate.refactorings import REFACTORINGS

STORED = sorted((Path(__file__).parent / "snapshots").glob("*.json"))


@pytest.mark.parametrize("name", [edit.name for edit in REFACTORINGS])
def test_a_refactoring_that_computes_the_same_is_clean(name):
    assert moved_by(name) == []


def test_nearly_every_fault_is_detected_with_its_region():
    """A fixed quarter of them: `python -m tests.gate.corpus` does them all."""
    faults = [fault.name for fault in selftest.ALL_FAULTS][::4]
    found = moved_by_all(faults)
    missed = [name for name in faults if not found[name]]
    assert len(missed) <= 0.01 * len(faults), missed
    assert [name for name in faults if not all(move.region for move in found[name])] == []


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        ("no_clip_at_all", "A<0, ratio below 0.8; A>0, ratio above 1.2 (log-ratios)"),
        ("padding_in_sequence_sum", "rows with mask 0 (ragged mask)"),
        ("no_epsilon", "constant advantages"),
        ("value_clip_only", "value beyond the clip radius"),
        ("carry_through_truncation", "truncated steps"),
        ("epsilon_hard_coded", "wide rows with epsilon=0.12"),
    ],
)
def test_the_region_is_named(fault, where):
    assert any(where in move.region for move in moved_by(fault)), sorted({move.region for move in moved_by(fault)})


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_snapshot_made_under_another_torch_version_is_clean(path):
    stored = read(path)
    assert stored.made_with["torch"].startswith("2.6.")
    assert moved(stored, spec_of(path.stem), path.stem) == []


def test_snapshots_of_another_torch_version_are_there():
    assert len(STORED) >= 6


THREADS = """
import json, sys, torch
torch.set_num_threads(int(sys.argv[1]))
from tests.gate.corpus import snapshot_of
from ppo_audit.gate.store import dumps
print(json.dumps([dumps(snapshot_of(name)) for name in sys.argv[2:]]))
"""


def test_a_snapshot_made_with_another_thread_count_is_clean():
    from ppo_audit.gate.store import loads

    names = ("cleanrl_minibatch", "token_mean", "group_view")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THREADS, "3", *names],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    for name, text in zip(names, json.loads(done.stdout), strict=True):
        assert moved(loads(text), spec_of(name), name) == []


@pytest.mark.parametrize("name", ["cleanrl_minibatch", "attribute_batch", "gae_cleanrl", "group_view"])
def test_a_snapshot_is_small_and_the_same_every_time(name):
    text = dumps(snapshot_of(name))
    snapshot_of.cache_clear()
    assert dumps(snapshot_of(name)) == text
    assert len(text) < 50_000


def test_edits_have_names_of_their_own():
    assert len(EDITS) == len(REFACTORINGS) + len(selftest.ALL_FAULTS)
