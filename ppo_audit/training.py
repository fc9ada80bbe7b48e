"""`ppo-audit train` and `evaluate`: the reference trainers at the command line, with progress, curve, evaluation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.settings import value_pairs

if TYPE_CHECKING:
    from ppo_audit.reference.train import TrainResult

NEEDS_TRAIN = "the reference trainers need the extra `train`: pip install 'ppo-audit[train]'"


def train(algorithm: str, environment: str, output: Path, steps: int | None, options: Sequence[str]) -> str:
    """Train, draw the curve, and say how good the result is; `options` are pairs such as `seed=1`."""
    _require_extra()
    from ppo_audit.reference.train import ALGORITHMS
    from ppo_audit.reference.train import train as run

    if algorithm not in ALGORITHMS:
        raise UsageError(
            f"`{algorithm}` is no algorithm here; expected one of "
            f"{', '.join(ALGORITHMS)}.{did_you_mean(algorithm, ALGORITHMS)}"
        )
    chosen = dict(value_pairs(options))
    with _progress() as (bar, task):
        move = lambda done, total, metrics: bar.update(task, completed=done, total=total)
        result = _asked(lambda: run(algorithm, environment, output, steps, chosen, move))
    return _summary(result)


def quick(environment: str, output: Path, seed: int) -> str:
    """The whole two-stage cycle, supervised then GRPO, shortened to less than a minute."""
    _require_extra()
    from dataclasses import replace

    from ppo_audit.reference.two_stage import QUICK, two_stage

    with _progress() as (bar, task):
        move = lambda done, total, metrics: bar.update(task, completed=done, total=total)
        result = _asked(lambda: two_stage(environment, output, replace(QUICK, seed=seed), move))
    stages = {"demonstrator": result.demonstrator, "cloned": result.cloned, "GRPO": result.final}
    return "\n".join(f"{name}: {_summary(stage)}" for name, stage in stages.items())


def evaluate(checkpoint: Path, episodes: int, deterministic: bool, seed: int) -> str:
    """Whole episodes of a checkpoint's policy: mean, deviation and extremes of the return."""
    _require_extra()
    from ppo_audit.reference.train import evaluate as run

    if not checkpoint.is_file():
        raise UsageError(f"`{checkpoint}` does not exist; expected the `checkpoint.pt` that `ppo-audit train` wrote.")
    found = _asked(lambda: run(checkpoint, episodes, deterministic, seed))
    low, high = min(found.returns), max(found.returns)
    return f"mean return {found.mean:.1f} over {len(found.returns)} episodes (from {low:.1f} to {high:.1f})"


def _asked(run: Any) -> Any:
    """Run; what the user asked for and cannot be had becomes a message."""
    try:
        return run()
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    except Exception as error:
        if type(error).__module__.startswith("gymnasium"):
            raise UsageError(f"the environment cannot be made: {error}") from error
        raise


def _require_extra() -> None:
    try:
        import gymnasium
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(f"{NEEDS_TRAIN} ({error.name} is missing).") from error
    del gymnasium


def _progress() -> Any:
    """A bar on standard error, so that what is printed stays clean."""
    import contextlib

    from rich.console import Console
    from rich.progress import Progress

    @contextlib.contextmanager
    def shown() -> Any:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            yield bar, bar.add_task("steps", total=None)

    return shown()


def _summary(result: TrainResult) -> str:
    curve = draw_curve(result.folder)
    return (
        f"mean return {result.evaluation.mean:.1f} over {len(result.evaluation.returns)} episodes after "
        f"{result.steps:,} steps in {result.seconds:.1f} s; {result.checkpoint}, {curve}"
    )


def draw_curve(folder: Path) -> Path:
    """The return over steps from `metrics.jsonl`, as a PNG beside it."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    name = next((key for key in records[-1] if "return" in key), "steps")
    points = [(record["steps"], record[name]) for record in records if record.get(name) is not None]
    figure, axes = pyplot.subplots(figsize=(6, 3.5), layout="constrained")
    axes.plot(*zip(*points, strict=True))
    axes.set(xlabel="environment steps", ylabel=name.replace("_", " "))
    figure.savefig(folder / "curve.png", dpi=120)
    pyplot.close(figure)
    return folder / "curve.png"
