"""Train an algorithm on an environment, and evaluate what came of it: the functions behind the command line."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from ppo_audit.reference.trainers import checkpoint, metrics
from ppo_audit.reference.trainers.evaluation import Evaluation, evaluate_policy, most_likely, sampled
from ppo_audit.reference.trainers.presets import PRESETS
from ppo_audit.reference.trainers.trainer import Algorithm, Metrics, Setup, Trainer, begin_from, start

ALGORITHMS = {
    "ppo": "ppo.PPO",
    "ppo-kl": "ppo_kl.PPO_KL",
    "ppo-quantile": "quantile.QUANTILE",
    "ppo-awr": "awr.AWR",
    "trpo": "trpo.TRPO",
    "grpo": "grpo.GRPO",
    "grpo-tokens": "token_grpo.TOKEN_GRPO",
    "bc": "behaviour_cloning.BC",
}
CHOOSERS = {True: most_likely, False: sampled}
Progress = Callable[[int, int, Metrics], None]


@dataclass(frozen=True)
class TrainResult:
    """Where a run left its files, what it took, and how good it became."""

    folder: Path
    checkpoint: Path
    steps: int
    seconds: float
    evaluation: Evaluation


def algorithm(name: str) -> Algorithm:
    """An algorithm by name, imported when it is asked for."""
    if name not in ALGORITHMS:
        raise ValueError(f"unknown algorithm `{name}`; expected one of {', '.join(ALGORITHMS)}")
    module, attribute = ALGORITHMS[name].split(".")
    found: Algorithm = getattr(importlib.import_module(f"ppo_audit.reference.trainers.{module}"), attribute)
    return found


def train(
    algo: str,
    environment: str,
    output: Path,
    total_steps: int | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda steps, total, metrics: None,
) -> TrainResult:
    """Train from nothing, or from the checkpoint in `output` where a run of the same name was cut short.

    `options` may name any field of `Setup` (seed, environments, network ...) and of the algorithm's configuration;
    what they leave open comes from the preset of the environment, if there is one, then from the defaults.
    """
    saved, chosen = output / "checkpoint.pt", dict(options or {})
    start_or_resume = partial(_resume, saved) if saved.exists() else begin
    trainer = start_or_resume(algo, environment, total_steps, chosen)
    return run(trainer, algorithm(algo), output, progress)


def run(trainer: Trainer, algo: Algorithm, output: Path, progress: Progress) -> TrainResult:
    """Iterate to the last step; metrics and a checkpoint after every update."""
    began = time.perf_counter()
    log, saved = output / "metrics.jsonl", output / "checkpoint.pt"
    metrics.forget_after(log, trainer.steps) if log.exists() else output.mkdir(parents=True, exist_ok=True)
    board = metrics.TensorBoard(output / "tensorboard", trainer.steps)
    saved_at = 0.0
    while trainer.steps < trainer.total_steps:
        record = {"steps": 0.0, **algo.iterate(trainer)}
        record["steps"], record["updates"] = trainer.steps, trainer.updates
        metrics.append(log, record)
        board.write(trainer.steps, record)
        progress(trainer.steps, trainer.total_steps, record)
        if time.perf_counter() - saved_at > CHECKPOINT_SECONDS:
            checkpoint.save(trainer, saved)
            saved_at = time.perf_counter()
    checkpoint.save(trainer, saved)
    board.close()
    title = f"{trainer.algorithm} on {trainer.setup.environment}, seed {trainer.setup.seed}"
    metrics.save_curve(metrics.read(log), output / "curve.png", title)
    seconds = time.perf_counter() - began
    return TrainResult(output, saved, trainer.steps, seconds, evaluate_policy(trainer, episodes=10))


CHECKPOINT_SECONDS = 1.0  # a checkpoint costs milliseconds; more often would slow short updates down


def load(path: Path) -> Trainer:
    """The trainer of a checkpoint."""
    state = checkpoint.read(path)
    return checkpoint.restore(state, {state["algorithm"]: algorithm(state["algorithm"])})


def evaluate(path: Path, episodes: int = 10, deterministic: bool = True, seed: int = 0) -> Evaluation:
    """Whole episodes of a checkpoint's policy, the most likely action or a sampled one."""
    return evaluate_policy(load(path), episodes, CHOOSERS[deterministic], seed)


def begin(algo: str, environment: str, total_steps: int | None, options: Mapping[str, Any]) -> Trainer:
    """A trainer before its first step, by the options of `train`."""
    chosen = algorithm(algo)
    options = {**PRESETS.get((algo, environment.removeprefix("native/")), {}), **options}
    preset_steps = options.pop("total_steps", 100_000)
    setup_names = {field.name for field in fields(Setup)}
    setup = {name: x for name, x in options.items() if name in setup_names}
    config = {name: x for name, x in options.items() if name not in setup_names}
    trainer = start(
        checkpoint.frozen(Setup, {**setup, "environment": environment}),
        checkpoint.frozen(chosen.config_type, config),
        chosen,
        total_steps or preset_steps,
    )
    if trainer.setup.initial is not None:
        begin_from(trainer, checkpoint.read(Path(trainer.setup.initial))["network"])
    elif checkpoint.flat_options(trainer.config).get("kl_coef"):
        begin_from(trainer, trainer.network.state_dict())
    return trainer


def _resume(saved: Path, algo: str, environment: str, total_steps: int | None, options: Mapping[str, Any]) -> Trainer:
    """The run in the folder, which must be the one that was asked for: else two runs would mix in one folder."""
    trainer = load(saved)
    has = {
        **vars(trainer.setup),
        **checkpoint.flat_options(trainer.config),
        "algo": trainer.algorithm,
        "total_steps": trainer.total_steps,
    }
    wants = {**options, "algo": algo, "environment": environment}
    if total_steps is not None:
        wants["total_steps"] = total_steps
    differing = [name for name, x in wants.items() if has.get(name) != (tuple(x) if isinstance(x, list) else x)]
    if differing:
        got = ", ".join(f"`{name}` {has.get(name)!r} there, {wants[name]!r} here" for name in differing)
        raise ValueError(f"`{saved}` is of another run: {got}; choose another folder or delete this one")
    return trainer
