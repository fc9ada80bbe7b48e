"""A write in place makes new values of the tensors that show what it wrote, and of no others."""

import pytest
import torch

from ppo_audit.recording.trace import Recorder


def write_of(run):
    """The last operation of a run, and what it wrote, by identity."""
    recorder = Recorder()
    with recorder:
        run()
    op = recorder.trace.ops[-1]
    return {id(recorder.trace.tensors[number]) for number in op.outputs}


@pytest.mark.parametrize(
    "write",
    [
        lambda buffer, rows: buffer.__setitem__(1, 5.0),
        lambda buffer, rows: buffer.__setitem__(-3, 5.0),
        lambda buffer, rows: rows[1].copy_(torch.ones(3)),
    ],
)
def test_a_written_row_is_that_of_the_buffer_and_of_its_own_view(write):
    buffer = torch.zeros(4, 3)
    rows = []

    def run():
        rows.extend(buffer[row] for row in range(4))
        write(buffer, rows)

    written = write_of(run)
    assert id(buffer) in written
    assert [id(row) in written for row in rows] == [False, True, False, False]


@pytest.mark.parametrize("index", [slice(0, 2), torch.tensor([0, 1]), (slice(None), 0), True])
def test_a_write_to_more_than_one_row_is_one_to_all_views(index):
    buffer = torch.zeros(4, 3)
    rows = []

    def run():
        rows.extend(buffer[row] for row in range(4))
        buffer[index] = 5.0

    assert {id(buffer), *map(id, rows)} <= write_of(run)


def test_columns_lie_between_each_other():
    buffer = torch.zeros(4, 3)
    columns = []

    def run():
        columns.extend(buffer[:, column] for column in range(3))
        columns[0].fill_(1.0)

    assert {id(buffer), *map(id, columns)} <= write_of(run)


def test_memory_that_came_by_way_of_numpy_is_known_to_be_the_same():
    buffer = torch.zeros(4)

    def run():
        buffer.add_(1.0)
        torch.as_tensor(buffer.numpy()).add_(1.0)

    assert id(buffer) in write_of(run)


def test_what_was_just_made_is_filled_without_a_look_at_all_the_rest():
    recorder = Recorder()
    with recorder:
        torch.ones(3)
        torch.empty(3).fill_(2.0)
    assert len(recorder.trace.ops[-1].outputs) == 1
    assert not recorder.trace._noted


def test_a_rollout_that_writes_through_views_is_recorded_in_proportion_to_its_steps():
    buffer, steps = torch.zeros(400, 3), 400
    recorder = Recorder()
    with recorder:
        for step in range(steps):
            buffer[step].copy_(torch.ones(3))
    assert len(recorder.trace.tensors) <= 5 * steps
