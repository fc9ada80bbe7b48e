"""Episodes of somebody who knows, kept as they happened, and what a student sees of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_audit.reference.trainers.checkpoint import write_atomically
from ppo_audit.reference.trainers.history import window_rows
from ppo_audit.reference.trainers.rollout import collect, start_collecting
from ppo_audit.reference.trainers.trainer import Trainer, environments_for

FORMAT = "ppo-audit-demonstrations/1"
DEMONSTRATION_SEED_OFFSET = 2_000_003


class Demonstrations(NamedTuple):
    """Time-major; `valid` marks the steps of the one episode in each column."""

    observation: Tensor  # [T, N, F]
    action: Tensor  # [T, N] or [T, N, D], as the demonstrator's family stores it
    valid: Tensor  # [T, N] boolean


def demonstrate(trainer: Trainer, episodes: int, steps: int, seed: int) -> Demonstrations:
    """Episodes of a trained policy, sampled from it, up to a number of steps each."""
    environments = environments_for(replace(trainer.setup, environments=episodes))
    collector = start_collecting(environments, seed + DEMONSTRATION_SEED_OFFSET)
    trajectory = collect(collector, trainer.act, trainer.family, steps, np.random.default_rng(seed))
    ended = trajectory.terminated | trajectory.truncated
    valid = (ended.cumsum(0) - ended.long()) == 0
    return Demonstrations(trajectory.observation, trajectory.action, valid)


def save(demonstrations: Demonstrations, path: Path) -> None:
    """A file of plain tensors."""
    write_atomically({"format": FORMAT, **demonstrations._asdict()}, path)


def read(path: Path) -> Demonstrations:
    """Demonstrations from their file."""
    content = torch.load(path, weights_only=True)
    if content.pop("format", None) != FORMAT:
        raise ValueError(f"`{path}`: expected demonstrations of format `{FORMAT}`")
    return Demonstrations(**content)


def pairs(demonstrations: Demonstrations) -> tuple[Tensor, Tensor]:
    """The valid observations `[M, F]` and actions `[M, ...]`."""
    observation, action, valid = demonstrations
    return observation[valid], action[valid]


def pairs_with_history(demonstrations: Demonstrations, length: int, choices: int) -> tuple[Tensor, Tensor]:
    """The same for a student who sees the last `length` steps: `[M, length, ...]`, as `HistoryEnvironments` shows them.

    `choices` is the number of discrete actions, 0 for continuous ones.
    """
    observation, action, valid = demonstrations
    rows = window_rows(observation.numpy(), action.numpy(), choices)
    padded = np.concatenate([np.zeros((length - 1, *rows.shape[1:]), np.float32), rows])
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)  # [T, N, F, length]
    return torch.from_numpy(windows.transpose(0, 1, 3, 2)[valid.numpy()]), action[valid]
