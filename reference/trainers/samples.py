"""A rollout as a bag of samples, and minibatches of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_audit.reference.returns import gae
from ppo_audit.reference.trainers.rollout import Rollout


class Samples(NamedTuple):
    """Equal first axes; the rest as in `Rollout`."""

    observation: Tensor
    action: Tensor
    action_mask: Tensor | None
    parameters_old: Tensor
    log_prob_old: Tensor
    value_old: Tensor
    advantage: Tensor
    return_: Tensor


def samples_of(rollout: Rollout, gamma: float, gae_lambda: float) -> Samples:
    """The samples of a rollout with a scalar critic: GAE, and TD(λ) returns as targets."""
    steps = rollout.trajectory
    advantage = gae(
        steps.reward, rollout.value_old, rollout.value_next, steps.terminated, steps.truncated, gamma, gae_lambda
    )
    return flattened(rollout, advantage, advantage + rollout.value_old)


def flattened(rollout: Rollout, advantage: Tensor, return_: Tensor) -> Samples:
    """The samples of a rollout, time and environment as one axis."""
    steps = rollout.trajectory
    parts = (steps.observation, steps.action, steps.action_mask, *rollout[1:4], advantage, return_)
    return Samples._make(None if x is None else x.flatten(0, 1) for x in parts)


def minibatches(samples: Samples, size: int, rng: np.random.Generator) -> Iterator[Samples]:
    """Every sample once, in random order: shuffled as a whole, then cut, which costs one gather a field and epoch."""
    count = len(samples.advantage)
    order = torch.from_numpy(rng.permutation(count))
    cut = [None if x is None else x.index_select(0, order).split(size) for x in samples]
    for i in range((count + size - 1) // size):
        yield Samples._make(None if pieces is None else pieces[i] for pieces in cut)
