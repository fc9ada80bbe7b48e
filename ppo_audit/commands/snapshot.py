"""`ppo-audit snapshot`, `diff`, and `check --against`: the numerical regression gate."""

from __future__ import annotations

import dataclasses
import enum
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from ppo_audit.commands.options import Debug, Inputs, Roles, Values
from ppo_audit.commands.writing import expect_folder, write
from ppo_audit.errors import UsageError
from ppo_audit.settings import Settings, role_pairs, value_pairs

One = Annotated[str, typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")]
Before = Annotated[str, typer.Argument(help="A target; of a git revision as REV:path.py:fn.", metavar="A")]
After = Annotated[str, typer.Argument(help="Another target, or path.py:fn@REV.", metavar="B")]


class DiffFormat(enum.StrEnum):
    """How a comparison is written."""

    TERMINAL = "terminal"
    JSON = "json"


Written = Annotated[DiffFormat, typer.Option("--format", help="How to write what moved.")]


def snapshot(
    target: One,
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.", metavar="FILE")] = None,
    roles: Roles = None,
    values: Values = None,
    inputs: Inputs = None,
    debug: Debug = False,
) -> None:
    """Store what a loss computes, for `check --against` to compare with."""
    from ppo_audit.gate.snapshot import take, with_profile
    from ppo_audit.gate.store import dumps

    expect_folder(output)
    settings = Settings(
        roles=role_pairs(roles or ()), values=value_pairs(values or ()), inputs=inputs, script_args=context.obj or ()
    )
    taken = with_profile(take(target, settings))
    text = dumps(taken)
    if output is None:
        print(text, end="")
        return
    write(output, text)
    print(f"Wrote {output}: {len(taken.readings)} designed cases. Compare with: ppo-audit check --against {output}")


def diff(
    before: Before,
    after: After,
    context: typer.Context,
    report_format: Written = DiffFormat.TERMINAL,
    roles: Roles = None,
    values: Values = None,
    debug: Debug = False,
) -> None:
    """Compare two targets, or two git revisions of one: what moved, where, by how much, since which line."""
    from ppo_audit.gate.revisions import checked_out
    from ppo_audit.gate.snapshot import take
    from ppo_audit.gate.verdict import as_json, compared, text

    settings = Settings(roles=role_pairs(roles or ()), values=value_pairs(values or ()), script_args=context.obj or ())
    with ExitStack() as stack:
        specs = [stack.enter_context(checked_out(spec)) for spec in (before, after)]
        verdict = compared(take(specs[0], settings), specs[1], settings)
    verdict = dataclasses.replace(verdict, before=before, after=after)
    print(as_json(verdict) if report_format is DiffFormat.JSON else text(verdict), end="")
    raise typer.Exit(verdict.exit_code)


def against(file: Path, targets: list[str], settings: Settings, report_format: str | None) -> int:
    """`check --against FILE`: the target of the snapshot, or the one that is named, compared with it."""
    from ppo_audit.gate.snapshot import settings_of
    from ppo_audit.gate.store import read
    from ppo_audit.gate.verdict import against as judged
    from ppo_audit.gate.verdict import as_json, text

    if len(targets) > 1:
        raise UsageError(f"--against: {len(targets)} targets are named; expected one, or none for that of `{file}`.")
    stored = read(file)
    kept = settings_of(stored)
    merged = dataclasses.replace(
        kept,
        roles=settings.roles or kept.roles,
        values=settings.values or kept.values,
        inputs=settings.inputs or kept.inputs,
        script_args=settings.script_args or kept.script_args,
    )
    verdict = judged(stored, (targets or [stored.target])[0], merged)
    print(as_json(verdict) if report_format == "json" else text(verdict), end="")
    return verdict.exit_code
