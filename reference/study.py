"""Train one algorithm on one environment with several seeds, and keep what was measured: the proof that it learns.

    python -m ppo_audit.reference.study ppo CartPole-v1 --seeds 10 --output reference/results

writes `<algo>-<environment>.json` (one record a seed, with its curve) and `.png`, and rewrites `README.md` from all
records there. Seeds follow `--first-seed`; evaluation is on 100 episodes of the final policy's most likely action.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ppo_audit.reference.train import evaluate, train
from ppo_audit.reference.trainers import metrics

EVALUATION_EPISODES = 100
CURVE_POINTS = 60

HEADING = """# What the reference trainers reach

Written by `python -m ppo_audit.reference.study ALGORITHM ENVIRONMENT --seeds N --options '{...}'`, one row a command.
Evaluation: 100 episodes of the final policy's most likely action, from seeds that training never used. Seconds are of
one core, training only, and of a machine that others used too. PPO's preset for CartPole was chosen on seeds below 10,
that of the token task on 101, Pendulum's on 100 and 101; the other presets on the seeds reported.

| algorithm | environment | seeds | steps | seconds a seed | mean return of each seed | mean of means | options |
|---|---|---|---|---|---|---|---|
"""


def study_seed(algo: str, environment: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """One run from nothing, and its evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        result = train(algo, environment, Path(folder), options={**options, "seed": seed})
        final = evaluate(result.checkpoint, EVALUATION_EPISODES)
        records = metrics.read(result.folder / "metrics.jsonl")
    points = [(r["steps"], r["return"]) for r in records if r.get("return") is not None]
    every = max(len(points) // CURVE_POINTS, 1)
    return {
        "seed": seed,
        "steps": result.steps,
        "seconds": round(result.seconds, 2),
        "mean": round(final.mean, 2),
        "deviation": round(final.deviation, 2),
        "worst": round(min(final.returns), 2),
        "curve": [(steps, round(value, 2)) for steps, value in points[::every]],
    }


def study(
    algo: str, environment: str, seeds: int, output: Path, options: dict[str, Any], first: int = 0
) -> list[dict[str, Any]]:
    """All seeds; the records are written after each, so that an interrupted study keeps what it has."""
    output.mkdir(parents=True, exist_ok=True)
    name = f"{algo}-{environment.replace('/', '-')}"
    runs = []
    for seed in range(first, first + seeds):
        runs.append(study_seed(algo, environment, seed, options))
        print({key: x for key, x in runs[-1].items() if key != "curve"}, flush=True)
        record = {"algorithm": algo, "environment": environment, "options": options, "runs": runs}
        (output / f"{name}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        save_figure(record, output / f"{name}.png")
        write_table(output)
    return runs


def write_table(output: Path) -> None:
    """The table of everything in the folder."""
    rows = [row(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(output.glob("*.json"))]
    (output / "README.md").write_text(HEADING + "".join(rows), encoding="utf-8")


def row(record: dict[str, Any]) -> str:
    """One study as a line of the table."""
    runs = record["runs"]
    means = ", ".join(f"{run['mean']:g}" for run in runs)
    seconds = np.mean([run["seconds"] for run in runs])
    total = np.mean([run["mean"] for run in runs])
    options = " ".join(f"`{name}={x}`" for name, x in record["options"].items()) or "preset"
    seeds = f"{runs[0]['seed']} to {runs[-1]['seed']}"
    start = f"| {record['algorithm']} | {record['environment']} | {seeds} | {runs[0]['steps']:,} | {seconds:.1f} |"
    return f"{start} {means} | {total:.4g} | {options} |\n"


def save_figure(record: dict[str, Any], path: Path) -> None:
    """The learning curves of all seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for run in record["runs"]:
        axes.plot(*zip(*run["curve"], strict=True), alpha=0.7, label=f"seed {run['seed']}")
    title = f"{record['algorithm']} on {record['environment']}"
    axes.set(title=title, xlabel="environment steps", ylabel="mean return of the last 100 episodes")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", ncols=2)
    figure.savefig(path, dpi=100)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("algo")
    parser.add_argument("environment")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("reference/results"))
    parser.add_argument("--options", type=json.loads, default={}, help="JSON, such as '{\"learning_rate\": 0.001}'")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the matrices are small: more threads cost more than they give
    own = arguments.options
    study(arguments.algo, arguments.environment, arguments.seeds, arguments.output, own, arguments.first_seed)


if __name__ == "__main__":
    main()
