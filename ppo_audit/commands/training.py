"""`ppo-audit train` and `evaluate`: the reference trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ppo_audit.commands.options import Debug, Seed, Values
from ppo_audit.settings import Settings


def train(
    algorithm: Annotated[str, typer.Argument(help="ppo, ppo_kl, trpo, grpo, bc, ...", metavar="ALGO")],
    environment: Annotated[str, typer.Argument(help="A gymnasium id, also one of your own.", metavar="ENV")],
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and curve.")] = Path("runs/latest"),
    steps: Annotated[int | None, typer.Option(help="Environment steps; default: the preset.")] = None,
    seed: Seed = Settings.seed,
    values: Values = None,
    quick: Annotated[bool, typer.Option("--quick", help="The two-stage cycle in under a minute.")] = False,
    debug: Debug = False,
) -> None:
    """Train with a reference trainer: progress, final evaluation, checkpoint, metrics and curve."""
    from ppo_audit import training

    if quick:
        print(training.quick(environment, output, seed))
    else:
        print(training.train(algorithm, environment, output, steps, [f"seed={seed}", *(values or ())]))


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint.pt of `train`.")],
    episodes: Annotated[int, typer.Option(help="Whole episodes to play.", metavar="N", min=1)] = 10,
    deterministic: Annotated[bool, typer.Option(help="The most likely action, or a sampled one.")] = True,
    seed: Seed = Settings.seed,
    debug: Debug = False,
) -> None:
    """Play a checkpoint and say how well it does."""
    from ppo_audit import training

    print(training.evaluate(checkpoint, episodes, deterministic, seed))
