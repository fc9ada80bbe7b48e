"""The two-stage pipeline: learn from demonstrations first, then go on with GRPO from that checkpoint.

    python -m ppo_audit.reference.two_stage CartPole-v1 --output runs/two-stage

The demonstrator is a PPO agent whose training was stopped early, so that the second stage has something to add.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
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


QUICK = Plan(network="separate", grpo_steps=300_000)


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


def table(environment: str, plan: Plan, seeds: int, output: Path) -> str:
    """The evaluations of several seeds as markdown, the most likely action of ten episodes each."""
    rows = []
    for seed in range(seeds):
        result = two_stage(environment, output / str(seed), replace(plan, seed=seed), lambda *_: None)
        stages = (result.demonstrator, result.cloned, result.final)
        means = " | ".join(f"{stage.evaluation.mean:.1f}" for stage in stages)
        seconds = sum(stage.seconds for stage in stages)
        rows.append(f"| {plan.network} | {seed} | {means} | {result.final.steps:,} | {seconds:.1f} |\n")
    head = "| student | seed | demonstrator | cloned | after GRPO | GRPO steps | seconds |\n"
    return head + "|---" * 7 + "|\n" + "".join(rows)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--network", choices=list(STUDENTS), default=Plan.network)
    parser.add_argument("--grpo-steps", type=int, default=Plan.grpo_steps)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are small: more threads cost more than they give
    plan = Plan(network=arguments.network, grpo_steps=arguments.grpo_steps)
    print(table(arguments.environment, plan, arguments.seeds, arguments.output))


if __name__ == "__main__":
    main()
