"""`ppo-audit selftest`: the rules under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ppo_audit.commands.writing import write
from ppo_audit.errors import UsageError

COMPARED = frozenset(("name", "is_owned", "is_at_line", "false_alarms"))


def selftest(
    output: Annotated[Path | None, typer.Option(help="Store the matrix in this file.", metavar="FILE")] = None,
    against: Annotated[Path | None, typer.Option(help="Fail where a cell got worse.", metavar="FILE")] = None,
    every: Annotated[int, typer.Option(help="Audit every N-th generated fault; 1 takes minutes.", min=1)] = 8,
    generated: Annotated[Path | None, typer.Option(help="Store the generated faults here.", metavar="FILE")] = None,
) -> None:
    """Inject every fault of the corpus, run the rules, and show how many are found, owned and placed."""
    from ppo_audit import selftest as workshop

    before = _matrix(against) if against else []
    cells = workshop.run()
    lost = workshop.worse(before, cells)
    mutants = workshop.run_generated(every)
    print("\n".join([*workshop.table(cells), *lost, *workshop.generated_table(mutants)]))
    if generated:
        write(generated, workshop.matrix(mutants))
    if output:
        write(output, workshop.matrix(cells))
    raise typer.Exit(int(bool(lost) or not workshop.figures(cells).meets_the_goal()))


def _matrix(path: Path) -> list[dict[str, Any]]:
    """The cells of a stored matrix."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"--against: `{path}` is no matrix of `selftest --output` ({error}).") from error
    if not isinstance(cells, list) or not all(isinstance(cell, dict) and cell.keys() >= COMPARED for cell in cells):
        raise UsageError(f"--against: `{path}` is no matrix of `selftest --output`; expected a list of cells.")
    return cells
