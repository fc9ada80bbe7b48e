"""The two-stage pipeline: learn from demonstrations first, then go on with GRPO from that checkpoint.

    python -m ppo_audit.reference.two_stage CartPole-v1 --output runs/two-stage

The demonstrator is a PPO agent whose training was stopped early, so that the second stage has something to add.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ppo_audit.reference.train import Progress, TrainResult, load, train
from ppo_audit.reference.trainers import demonstrations

STUDENTS: dict[str, dict[str, Any]] = {
    "transformer": {"network": "transformer", "hidden": (32, 32)},
    "separate": {"network": "separate", "hidden": (64, 64)},
}
SECOND_STAGE = {"learning_rate": 1e-3, "schedule": "linear"}


@dataclass(frozen=True)
class Plan:
    """How long each stage is."""

    demonstrator_steps: int = 8_192
    episodes: int = 4
    episode_steps: int = 200
    passes: int = 10  # over the demonstrations
    grpo_steps: int = 250_000
    environments: int = 32
    seed: int = 0
    network: str = "transformer"  # or `separate`: no history, and ten times as fast


QUICK = Plan(grpo_steps=100_000)


@dataclass(frozen=True)
class TwoStageResult:
    """What each stage left."""

    demonstrator: TrainResult
    cloned: TrainResult
    final: TrainResult


def two_stage(
    environment: str, output: Path, plan: Plan, progress: Progress, grpo: Mapping[str, Any] | None = None
) -> TwoStageResult:
    """Demonstrator, demonstrations, behaviour cloning of a transformer, GRPO from there. Resumes where it was cut."""
    seed = {"seed": plan.seed}
    student = STUDENTS[plan.network] | seed
    demonstrator = train("ppo", environment, output / "demonstrator", plan.demonstrator_steps, seed, progress)
    file = output / "demonstrations.pt"
    if not file.exists():
        shown = demonstrations.demonstrate(load(demonstrator.checkpoint), plan.episodes, plan.episode_steps, plan.seed)
        demonstrations.save(shown, file)
    samples = int(demonstrations.read(file).valid.sum())
    cloning = {**student, "demonstrations": str(file)}
    cloned = train("bc", environment, output / "bc", plan.passes * samples, cloning, progress)
    options = {**student, "initial": str(cloned.checkpoint), "environments": plan.environments}
    options |= {**SECOND_STAGE, **(grpo or {})}
    final = train("grpo", environment, output / "grpo", plan.grpo_steps, options, progress)
    return TwoStageResult(demonstrator, cloned, final)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--network", choices=list(STUDENTS), default="transformer")
    parser.add_argument("--grpo-steps", type=int, default=Plan.grpo_steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plan = Plan(seed=arguments.seed, network=arguments.network, grpo_steps=arguments.grpo_steps)
    result = two_stage(arguments.environment, arguments.output, plan, lambda steps, total, metrics: None)
    for name, stage in vars(result).items():
        print(f"{name}: {stage.evaluation.mean:.1f} after {stage.steps:,} steps in {stage.seconds:.1f} s")


if __name__ == "__main__":
    main()
