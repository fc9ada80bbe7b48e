"""Checkpoints from which a run goes on as if it had never stopped: bit-equal parameters, metrics and random numbers.

A checkpoint is plain data and tensors, so it loads with `weights_only=True`: opening one never runs code.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from ppo_audit.reference.trainers.trainer import Algorithm, Setup, Trainer, copy_of, start

FORMAT = "ppo-audit-trainer/1"


def save(trainer: Trainer, path: Path) -> None:
    """Write beside the old checkpoint and swap: a kill at any instant leaves one that is whole."""
    state = {
        "format": FORMAT,
        "algorithm": trainer.algorithm,
        "setup": asdict(trainer.setup),
        "config": asdict(trainer.config),
        "network": trainer.network.state_dict(),
        "reference": None if trainer.reference is None else trainer.reference.state_dict(),
        "optimiser": trainer.optimiser.state(),
        "collector": trainer.collector.state(),
        "numpy_rng": trainer.rng.bit_generator.state,
        "torch_rng": torch.get_rng_state(),
        "progress": [trainer.total_steps, trainer.steps, trainer.updates],
        "adaptive": dict(trainer.adaptive),
    }
    write_atomically(state, path)


def write_atomically(state: Mapping[str, Any], path: Path) -> None:
    """A file that is either the old one or the new one, on disk before its name changes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read(path: Path) -> dict[str, Any]:
    """The plain content of a checkpoint."""
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"`{path}` is not a checkpoint of ppo-audit's trainers: {error}") from error
    if state.get("format") != FORMAT:
        raise ValueError(f"`{path}`: expected a checkpoint of format `{FORMAT}`, got `{state.get('format')}`")
    return state


def restore(state: Mapping[str, Any], algorithms: Mapping[str, Algorithm]) -> Trainer:
    """The trainer that was saved, at the very next step."""
    algorithm = algorithms[state["algorithm"]]
    setup, config = frozen(Setup, state["setup"]), frozen(algorithm.config_type, state["config"])
    total_steps, steps, updates = state["progress"]
    trainer = start(setup, config, algorithm, total_steps)
    trainer.steps, trainer.updates, trainer.adaptive = steps, updates, dict(state["adaptive"])
    # copies into the flat vector, of which the network's parameters are views
    trainer.network.load_state_dict(state["network"])
    if state["reference"] is not None:
        trainer.reference = copy_of(trainer)
        trainer.reference.load_state_dict(state["reference"])
    trainer.optimiser.restore(state["optimiser"])
    trainer.collector.restore(state["collector"])
    trainer.rng.bit_generator.state = state["numpy_rng"]
    torch.set_rng_state(state["torch_rng"])
    return trainer


def frozen(kind: type, values: Mapping[str, Any]) -> Any:
    """A configuration from plain data, in which the options of a configuration inside it may stand flat beside its own.

    Unknown names are an error that tells the known ones.
    """
    known = option_names(kind)
    unknown = sorted(set(values) - set(known) - set(inner_kinds(kind)))
    if unknown:
        raise ValueError(f"unknown options {', '.join(unknown)} of `{kind.__name__}`; it has {', '.join(known)}")
    inner = {}
    for name, inner_kind in inner_kinds(kind).items():
        flat = {option: values[option] for option in option_names(inner_kind) if option in values}
        inner[name] = frozen(inner_kind, {**values.get(name, {}), **flat})
    own = {field.name for field in fields(kind)} - set(inner)
    # JSON and checkpoints know lists only
    given = {name: tuple(x) if isinstance(x, list) else x for name, x in values.items() if name in own}
    return kind(**given, **inner)


def inner_kinds(kind: type) -> dict[str, type]:
    """The fields of a configuration that are configurations themselves: those with a factory as default."""
    factories: dict[str, Any] = {field.name: field.default_factory for field in fields(kind)}
    return {name: factory for name, factory in factories.items() if isinstance(factory, type)}


def option_names(kind: type) -> list[str]:
    """All options of a configuration, those inside included."""
    inner = inner_kinds(kind)
    own = [field.name for field in fields(kind) if field.name not in inner]
    return own + [option for inner_kind in inner.values() for option in option_names(inner_kind)]


def flat_options(config: Any) -> dict[str, Any]:
    """The options of a configuration and of those inside it, by name."""
    inner = inner_kinds(type(config))
    own = {name: x for name, x in vars(config).items() if name not in inner}
    for name in inner:
        own |= flat_options(getattr(config, name))
    return own
