"""Minibatches of one loss: what may differ from one to the next, and what may not."""

import pytest
import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.session import record
from ppo_audit.subjects.minibatches import agreed
from ppo_audit.subjects.observed import observed
from ppo_audit.trainer import verified_program

KEPT = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
FULL = torch.ones_like(KEPT)


def programs_of(loss_of, minibatches):
    """The programs of the losses of these (mask, extra) minibatches."""
    torch.manual_seed(0)
    logits = torch.nn.Parameter(torch.randn(3, 4, 5))

    def start():
        for mask, extra in minibatches:
            new = logits.log_softmax(-1)[..., 0]
            old, advantage = new.detach() + 0.1 * torch.randn(3, 4), torch.randn(3, 1)
            loss_of(torch.min((new - old).exp() * advantage, 2 * advantage), mask.clone(), extra).backward()

    (loss,) = record(start, "losses", verified_program, observed).losses.values()
    return loss.lifted


def masked(entries, mask, extra):
    return -(entries * mask).sum() / mask.sum()


def weighted(entries, mask, extra):
    return -(entries * mask).sum() / extra


def shifted(entries, mask, extra):
    return -(entries * mask * extra).sum()


def test_a_minibatch_whose_entries_all_count_stands_for_the_masked_ones():
    found = programs_of(masked, [(FULL, None), (KEPT, None)])
    (program,) = agreed("losses", found)
    assert ["mask" in each.boundary.numbers for each in found] == [False, True]
    assert program is found[1]


def test_a_single_number_that_a_minibatch_brings_may_differ():
    assert len(agreed("losses", programs_of(weighted, [(KEPT, torch.tensor(7.0)), (KEPT, torch.tensor(5.0))]))) == 1


def test_whole_tensors_that_are_no_role_may_not_differ():
    found = programs_of(shifted, [(KEPT, torch.full((3, 4), 2.0)), (KEPT, torch.full((3, 4), 3.0))])
    with pytest.raises(UsageError, match="depends on more than the recorded roles"):
        agreed("losses", found)
