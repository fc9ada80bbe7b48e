"""A journal is read up to where its worker died, and holds nothing but plain values."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy
import pytest

from ppo_audit.findings import Outcome, Status, TargetReport, Violation
from ppo_audit.isolation.records import HEADER, Entered, Finished, Kept, append, plain, read
from ppo_audit.journal import Verdict


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("executed",)

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_what_was_written_is_read(journal: Path):
    verdict = Verdict(Outcome("PPO101", "x", Status.FLAGGED), Violation("m", {"rows": (1, 2.5, float("inf"))}))
    records = [Entered("default/PPO101"), Kept("default/PPO101", verdict), Finished(TargetReport("a:b", "loss"))]
    for record in records:
        append(journal, record)
    assert read(journal, 0) == (records, journal.stat().st_size)


def test_reading_goes_on_where_it_ended(journal: Path):
    append(journal, Entered("one"))
    _, end = read(journal, 0)
    append(journal, Entered("two"))
    assert read(journal, end)[0] == [Entered("two")]


def test_a_frame_that_was_cut_off_waits(journal: Path):
    append(journal, Entered("one"))
    whole = journal.read_bytes()
    journal.write_bytes(whole + whole[:-3])
    assert read(journal, 0) == ([Entered("one")], len(whole))


def test_a_journal_that_is_not_there_is_empty(journal: Path):
    assert read(journal, 0) == ([], 0)


def test_foreign_objects_are_never_made(journal: Path, capsys):
    body = pickle.dumps(Trap())
    journal.write_bytes(HEADER.pack(len(body)) + body)
    with pytest.raises(pickle.UnpicklingError, match="does not belong"):
        read(journal, 0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (numpy.float64(0.5), 0.5),
        ({"a": [numpy.int64(1)]}, {"a": ["1"]}),
        (Trap(), "<Trap>"),
        (("x", Status.PASSED), ("x", Status.PASSED)),
    ],
)
def test_only_plain_values_are_written(value: object, same: object):
    assert plain(value) == same
    assert type(plain(value)) is type(same)
