"""What an audit costs, as ratios within one run, since machines are noisy: `make bench`."""

from __future__ import annotations

import ast
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

EXAMPLE = "ppo_audit.demo.distributional_ppo:loss"
REPEATS = 5
MANY = 50


def main() -> None:
    """Print the tables."""
    console = Console()
    console.print(cold_start())
    console.print(isolation())
    console.print(many_targets())
    console.print(recording())
    console.print(one_audit())
    console.print(faulty_twins())
    console.print(time_per_rule())


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def command(*words: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *words], capture_output=True, check=False)


def cold_start() -> Table:
    """Whole commands, interleaved, as multiples of importing torch."""
    runs = {
        "python -c 'import torch'": command("-c", "import torch"),
        f"ppo-audit check {EXAMPLE}": command("-m", "ppo_audit", "check", EXAMPLE),
        "ppo-audit --help": command("-m", "ppo_audit", "--help"),
        "ppo-audit explain PPO101": command("-m", "ppo_audit", "explain", "PPO101"),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            times[name].append(seconds(run))
    floor = statistics.median(times["python -c 'import torch'"])
    table = Table("command", "median s", "x import torch", title="Cold start (goal for check: at most 3)")
    for name, measured in times.items():
        median = statistics.median(measured)
        table.add_row(name, f"{median:.2f}", f"{median / floor:.2f}")
    return table


def isolation() -> Table:
    """The same audit in a worker and in process, alternating."""
    runs = {"in a worker": ("check", EXAMPLE), "--in-process": ("check", EXAMPLE, "--in-process")}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, words in runs.items():
            times[name].append(seconds(command("-m", "ppo_audit", *words)))
    least = {name: min(measured) for name, measured in times.items()}  # what else runs can only add
    table = Table("where", "least s", title="What isolation adds (goal: at most 0.3 s)")
    for name, best in least.items():
        table.add_row(name, f"{best:.2f}")
    table.add_row("difference", f"{least['in a worker'] - least['--in-process']:+.2f}")
    return table


def many_targets() -> Table:
    """Fifty correct losses in one command, one and two at a time; --jobs 1 is their sum on one core."""
    losses = [f"{file}:{name}" for file, name in itertools.islice(_losses(), MANY)]
    alone = seconds(command("-m", "ppo_audit", "check", *losses, "--jobs", "1"))
    shared = seconds(command("-m", "ppo_audit", "check", *losses, "--jobs", "2"))
    table = Table("losses", "--jobs 1", "--jobs 2", "ratio", title="Many targets on two cores (goal: at most 0.7)")
    table.add_row(str(len(losses)), f"{alone:.1f} s", f"{shared:.1f} s", f"{shared / alone:.2f}")
    return table


def _losses() -> Iterator[tuple[Path, str]]:
    """The losses of the corpus, each file's in turn and over again."""
    folder = Path(__file__).parents[1] / "corpus" / "correct"
    files = sorted(folder.glob("[a-z]*.py"))
    functions = [
        (file, node.name)
        for file in files
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and "loss" in node.name and not node.name.startswith("_")
    ]
    return itertools.cycle(functions)


def recording() -> Table:
    """One update of a library's trainer, plain and recorded, each in a process of its own, alternating."""
    from tests.bench.recording import measured

    pairs = [(measured("plain"), measured("recorded")) for _ in range(REPEATS)]
    (plain, memory), (recorded, more) = map(min, zip(*pairs, strict=True))  # what else runs can only add
    table = Table("", "CPU s", "peak MiB", title="Recording one update (goal: at most 3 x the time, 2 x the memory)")
    table.add_row("plain", f"{plain:.2f}", f"{memory:.0f}")
    table.add_row("recorded", f"{recorded:.2f}", f"{more:.0f}")
    table.add_row("x", f"{recorded / plain:.1f}", f"{more / memory:.2f}")
    return table


def one_audit() -> Table:
    """Warm audits of the bundled example."""
    from ppo_audit import audit

    audit(EXAMPLE)
    reports = [audit(EXAMPLE).targets[0] for _ in range(REPEATS)]
    table = Table("seconds", "target calls", "cases judged", "rules ended", title="One audit, warm (goal: 3 s)")
    median = statistics.median(report.seconds for report in reports)
    first = reports[0]
    table.add_row(f"{median:.2f}", f"{first.evaluations:,}", f"{first.cases:,}", str(len(first.outcomes)))
    return table


def faulty_twins() -> Table:
    """Correct losses and faulty twins of them."""
    from tests.bench.twins import ratio, twins

    pairs = list(twins())
    title = f"Faulty losses, located: {ratio(pairs):.2f} times the audit of a correct one (goal: at most 2)"
    table = Table("fault", "correct s", "faulty s", "ratio", title=title)
    for pair in pairs:
        table.add_row(pair.name, f"{pair.correct:.2f}", f"{pair.faulty:.2f}", f"{pair.faulty / pair.correct:.2f}")
    return table


def time_per_rule() -> Table:
    """Where the time of an audit goes, without locating what was found."""
    from ppo_audit import audit

    audit(EXAMPLE)
    outcomes = audit(EXAMPLE).targets[0].outcomes
    table = Table("rule", "outcome", "ms", title="Time per rule")
    for outcome in sorted(outcomes, key=lambda outcome: -outcome.seconds):
        table.add_row(f"{outcome.rule} {outcome.name}", outcome.status, f"{1000 * outcome.seconds:.1f}")
    return table


if __name__ == "__main__":
    main()
