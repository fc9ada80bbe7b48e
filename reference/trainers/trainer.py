"""What a trainer is made of, and how one is started. Algorithms are functions `(trainer) -> metrics` over it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ppo_audit.reference.trainers.adam import Adam
from ppo_audit.reference.trainers.environments import Environments, make_environments
from ppo_audit.reference.trainers.families import Family, family_of, squashed_family_of
from ppo_audit.reference.trainers.history import HistoryEnvironments
from ppo_audit.reference.trainers.networks import (
    Act,
    Network,
    SeparateNetwork,
    SharedNetwork,
    actor_of,
    flatten_parameters,
)
from ppo_audit.reference.trainers.rollout import Collector, start_collecting
from ppo_audit.reference.trainers.transformer import HistoryTransformer, TokenTransformer

Metrics = dict[str, float]


@dataclass(frozen=True)
class Setup:
    """What every algorithm needs: the task, the network, and the seed that fixes the run."""

    environment: str
    seed: int = 0
    environments: int = 8
    network: str = "separate"  # or `shared`, `transformer`, `tokens`
    hidden: tuple[int, ...] = (64, 64)
    policy: str = "plain"  # or `squashed`: a Gaussian through tanh instead of clipped
    history: int = 8  # steps that a transformer looks back
    initial: str | None = None  # a checkpoint whose network the run begins with


class Algorithm(NamedTuple):
    """A name, its configuration, and one iteration of it: collect, learn, report."""

    name: str
    config_type: type
    iterate: Callable[[Trainer], Metrics]
    quantiles: Callable[[Any], int] = lambda config: 0


@dataclass
class Trainer:
    """The whole state of a run; `checkpoint` saves it and `start` makes a fresh one."""

    setup: Setup
    config: Any
    algorithm: str
    collector: Collector
    family: Family
    network: Network
    act: Act
    flat: nn.Parameter
    optimiser: Adam
    rng: np.random.Generator
    total_steps: int
    steps: int = 0
    updates: int = 0
    reference: Network = None  # the network that the run began with, where `initial` gave it
    adaptive: dict[str, float] = field(default_factory=dict)  # what controllers change: clip range, KL coefficient

    @property
    def progress(self) -> float:
        """The share of the run that is done."""
        return min(self.steps / self.total_steps, 1.0)


def start(setup: Setup, config: Any, algorithm: Algorithm, total_steps: int) -> Trainer:
    """A trainer before its first step. The same setup, config and seed give the same run."""
    torch.manual_seed(setup.seed)
    environments = environments_for(setup)
    family = family_for(setup, environments)
    network = network_for(setup, environments, family, algorithm.quantiles(config))
    flat = flatten_parameters(network)
    return Trainer(
        setup=setup,
        config=config,
        algorithm=algorithm.name,
        collector=start_collecting(environments, setup.seed),
        family=family,
        network=network,
        act=actor_of(network),
        flat=flat,
        optimiser=Adam(flat),  # the algorithm sets the learning rate
        rng=np.random.default_rng((setup.seed, 1)),
        total_steps=total_steps,
    )


def begin_from(trainer: Trainer, network_state: dict[str, torch.Tensor]) -> None:
    """Take over a trained network, and keep a frozen copy of it as the reference policy."""
    trainer.network.load_state_dict(network_state)
    trainer.reference = copy_of(trainer)
    trainer.reference.load_state_dict(network_state)


def copy_of(trainer: Trainer) -> Network:
    """A frozen network of the same form, not yet of the same parameters."""
    network = deepcopy(trainer.network)
    return network.requires_grad_(False)


def environments_for(setup: Setup) -> Environments:
    """The environments of a setup; those of a transformer show their recent history."""
    environments = make_environments(setup.environment, setup.environments)
    if setup.network != "transformer":
        return environments
    return HistoryEnvironments(environments, setup.history)


def family_for(setup: Setup, environments: Environments) -> Family:
    """The family of action distributions of a setup."""
    choices = {"plain": family_of, "squashed": squashed_family_of}
    out: Family = _chosen(choices, setup.policy, "policy")(environments.action_space)
    return out


def network_for(setup: Setup, environments: Environments, family: Family, quantiles: int) -> Network:
    """The network of a setup, freshly initialised from torch's generator."""
    choices = {
        "separate": SeparateNetwork,
        "shared": SharedNetwork,
        "transformer": HistoryTransformer,
        "tokens": TokenTransformer,
    }
    make = _chosen(choices, setup.network, "network")
    inputs = environments.observation_shape[-1]
    return make(inputs, setup.hidden, family, quantiles)


def _chosen(choices: dict[str, Any], name: str, what: str) -> Any:
    if name not in choices:
        raise ValueError(f"unknown {what} `{name}`; expected one of {', '.join(choices)}")
    return choices[name]
