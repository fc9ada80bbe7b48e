"""Rows and tokens of a recording are free where nobody counted them while it could still matter."""

import torch

from ppo_audit.trainer import lift


def masked_training(loss_of):
    """One backward on (new, old, advantage, mask) of eight sequences of six tokens."""

    def start():
        torch.manual_seed(0)
        logits = torch.nn.Parameter(torch.randn(8, 6, 5))
        mask = (torch.arange(6) < torch.tensor([6, 3, 5, 2, 6, 4, 1, 5])[:, None]).int()
        new = logits.log_softmax(-1)[..., 0]
        old, advantage = new.detach() + 0.05 * torch.randn(8, 6), torch.randn(8)
        loss_of(new, old, advantage, mask).backward()

    return start


def entries(new, old, advantage):
    ratio, advantage = (new - old).exp(), advantage.unsqueeze(1)
    return -torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)


def token_mean(new, old, advantage, mask):
    return (entries(new, old, advantage) * mask).sum() / mask.sum()


def test_sequences_are_of_any_length_so_that_a_row_is_one_token():
    layout = lift("loss", masked_training(token_mean), seed=0).layout
    assert (layout.name, layout.tail, layout.tails) == ("tokens, as recorded", (1,), {"advantage": ()})


def test_an_advantage_that_only_changes_its_shape_is_the_effective_one():
    subject = lift("loss", masked_training(token_mean), seed=0)
    assert subject.anatomy.advantage_role == "advantage"


def test_a_size_that_is_read_for_a_metric_when_the_loss_is_one_number_fixes_nothing():
    def with_metric(new, old, advantage, mask):
        each = entries(new, old, advantage)
        loss = (each * mask).sum() / mask.sum()
        assert each.shape[1] > 1
        return loss / 1

    assert lift("loss", masked_training(with_metric), seed=0).capacity is None


def test_a_size_that_the_loss_is_divided_by_at_the_end_fixes_the_rows():
    def by_rows(new, old, advantage, mask):
        each = entries(new, old, advantage)
        return (each * mask).sum() / each.shape[0]

    assert lift("loss", masked_training(by_rows), seed=0).capacity == 8


def test_tensors_inside_vmap_are_recorded_though_they_have_no_memory_of_their_own():
    def with_vmap(new, old, advantage, mask):
        scales = torch.vmap(lambda row: row.clone().add_(1.0))(torch.zeros(3, 2))
        assert scales.sum() == 6
        return token_mean(new, old, advantage, mask)

    assert "mask" in lift("loss", masked_training(with_vmap), seed=0).available
