"""The public strategies draw valid batches, reach every regime, and shrink to something small."""

import torch
from hypothesis import find, given, settings

from ppo_audit.reference import clipped_surrogate
from ppo_audit.strategies import grpo_batches, ppo_batches


@given(ppo_batches())
@settings(max_examples=50, deadline=None)
def test_every_role_of_a_flat_batch_has_one_row_per_sample(batch):
    assert len({tensor.shape for tensor in batch.values()}) == 1
    assert all(tensor.isfinite().all() for tensor in batch.values())


@given(grpo_batches())
@settings(max_examples=50, deadline=None)
def test_every_sequence_keeps_a_token_and_belongs_to_a_group(batch):
    assert bool((batch["mask"].sum(-1) >= 1).all())
    assert batch["group"].shape == batch["reward"].shape
    assert set(torch.bincount(batch["group"]).tolist()) == {len(batch["group"]) // (int(batch["group"].max()) + 1)}


def test_a_search_reaches_ratios_beyond_the_clip_and_shrinks_to_one_sample():
    far = find(ppo_batches(), lambda batch: bool(((batch["log_prob"] - batch["old_log_prob"]).abs() > 2).any()))
    assert len(far["log_prob"]) == 1


@given(ppo_batches())
@settings(max_examples=30, deadline=None)
def test_they_serve_to_test_a_loss(batch):
    loss = clipped_surrogate((batch["log_prob"] - batch["old_log_prob"]).exp(), batch["advantage"], 0.2)
    assert loss.shape == batch["advantage"].shape
