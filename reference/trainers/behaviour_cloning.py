"""Supervised learning of a policy from demonstrations: the first stage of a two-stage pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ppo_audit.reference.trainers import demonstrations
from ppo_audit.reference.trainers.families import Categorical
from ppo_audit.reference.trainers.optimise import gradient_step
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Trainer

METRIC_SAMPLES = 4096  # of which the accuracy is measured


@dataclass(frozen=True)
class BCConfig:
    """The options of behaviour cloning; a "step" of the run is one sample seen."""

    demonstrations: str = ""
    minibatch_size: int = 128
    learning_rate: float = 1e-3
    max_grad_norm: float = 1.0


def iterate(trainer: Trainer) -> Metrics:
    """One pass over the demonstrations.

    L = −E[ log π(a|s) ]

    Pomerleau (1991), "Efficient Training of Artificial Neural Networks for Autonomous Navigation".
    """
    config: BCConfig = trainer.config
    trainer.optimiser.learning_rate = config.learning_rate
    observation, action = samples_for(trainer)
    order = torch.from_numpy(trainer.rng.permutation(len(action)))
    losses = []
    for index in order.split(config.minibatch_size):
        loss = -trainer.family.log_prob(trainer.network.policy(observation[index]), action[index]).mean()
        gradient_step(trainer, loss, config.max_grad_norm)
        losses.append(loss.item())
    trainer.steps += len(action)
    trainer.updates += 1
    return {"bc_loss": sum(losses) / len(losses), "agreement": agreement(trainer, observation, action)}


def samples_for(trainer: Trainer) -> tuple[Tensor, Tensor]:
    """Demonstrated pairs, as this trainer's network sees them."""
    found = demonstrations.read(Path(trainer.config.demonstrations))
    if trainer.setup.network != "transformer":
        return demonstrations.pairs(found)
    choices = trainer.family.choices if isinstance(trainer.family, Categorical) else 0
    return demonstrations.pairs_with_history(found, trainer.setup.history, choices)


@torch.no_grad()
def agreement(trainer: Trainer, observation: Tensor, action: Tensor) -> float:
    """The share of demonstrated actions that are the student's most likely ones; of a few of many."""
    parameters = trainer.network.policy(observation[:METRIC_SAMPLES]).numpy()
    return float((trainer.family.mode(parameters) == action[:METRIC_SAMPLES].numpy()).mean())


BC = Algorithm("bc", BCConfig, iterate)
