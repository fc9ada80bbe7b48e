"""`ppo-audit snapshot`, `diff`, and `check --against`: the numerical regression gate."""

from __future__ import annotations

import enum
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from ppo_audit.commands.configured import command_line, configured
from ppo_audit.commands.options import Debug, InProcess, Inputs, Roles, Values
from ppo_audit.commands.writing import expect_folder, write
from ppo_audit.configuration.layers import settings_of
from ppo_audit.errors import Complaints, UsageError
from ppo_audit.isolation.errand import in_worker
from ppo_audit.isolation.records import Errand
from ppo_audit.settings import Settings, role_pairs, value_pairs

GATE = "ppo_audit.gate.errands"
One = Annotated[str, typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")]
Before = Annotated[str, typer.Argument(help="A target; of a git revision as REV:path.py:fn.", metavar="A")]
After = Annotated[str, typer.Argument(help="Another, path.py:fn@REV, or reference:ppo_clip.", metavar="B")]


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
    in_process: InProcess = False,
    debug: Debug = False,
) -> None:
    """Store what a loss computes, for `check --against` to compare with."""
    expect_folder(output)
    settings = _settings(roles, values, inputs, context)
    text, cases = _done(Errand(GATE, "taken"), target, settings, in_process)
    if output is None:
        print(text, end="")
        return
    write(output, text)
    print(f"Wrote {output}: {cases} designed cases. Compare with: ppo-audit check --against {output}")


def diff(
    before: Before,
    after: After,
    context: typer.Context,
    report_format: Written = DiffFormat.TERMINAL,
    roles: Roles = None,
    values: Values = None,
    in_process: InProcess = False,
    debug: Debug = False,
) -> None:
    """Compare two targets, or two git revisions of one: what moved, where, by how much, since which line."""
    from ppo_audit.gate.revisions import checked_out

    settings = _settings(roles, values, None, context)
    with ExitStack() as stack:
        first, second = (stack.enter_context(checked_out(spec)) for spec in (before, after))
        errand = Errand(GATE, "differing", (first, (before, after), report_format.value))
        text, code = _done(errand, second, settings, in_process)
    print(text, end="")
    raise typer.Exit(code)


def against(file: Path, targets: list[str], settings: Settings, report_format: str | None, in_process: bool) -> int:
    """`check --against FILE`: the target of the snapshot, or the one that is named, compared with it."""
    if len(targets) > 1:
        raise UsageError(f"--against: {len(targets)} targets are named; expected one, or none for that of `{file}`.")
    errand = Errand(GATE, "against", (file.absolute(), report_format or ""))
    text, code = _done(errand, targets[0] if targets else "", settings, in_process)
    print(text, end="")
    return int(code)


def _settings(
    roles: list[str] | None, values: list[str] | None, inputs: str | None, context: typer.Context
) -> Settings:
    """The configuration under the options of the command, each target's own table included."""
    complaints = Complaints()
    configuration = configured(None, complaints)
    given = command_line(
        roles=complaints.hear(lambda: role_pairs(roles) if roles else None, None),
        values=complaints.hear(lambda: value_pairs(values) if values else None, None),
        inputs=inputs,
        script_args=context.obj or None,
    )
    complaints.stop()
    return settings_of(configuration, given)


def _done(errand: Errand, spec: str, settings: Settings, in_process: bool) -> Any:
    """The errand done: by a worker, or by this process for debuggers."""
    return errand(spec, settings) if in_process else in_worker(errand, spec, settings)
