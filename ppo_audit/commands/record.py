"""`ppo-audit record`: run a training script up to its first updates and keep what an audit needs in a file."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from ppo_audit.commands.options import Roles
from ppo_audit.commands.writing import expect_folder
from ppo_audit.errors import UsageError
from ppo_audit.settings import role_pairs

MODULE = "-m"
PYTHON = re.compile(r"^python[0-9.]*$")


def record(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep it.", metavar="FILE.ppoaudit")],
    roles: Roles = None,
) -> None:
    """Record the first updates of a training script, to be audited later or elsewhere with `check FILE.ppoaudit`."""
    if output.suffix != ".ppoaudit":
        raise UsageError(f"--output: `{output}` must end in `.ppoaudit`, by which `check` knows a recording.")
    expect_folder(output)
    words = _command(list(context.obj or ()))
    path = output.absolute()  # the script may change to another folder
    from ppo_audit.stored import save
    from ppo_audit.targets.resolve import existing_file
    from ppo_audit.trainer import lifted_run, program, recorded_session, script

    name, *arguments = words[1:] if words[0] == MODULE else words
    given = tuple(arguments)
    start = program(name, given) if words[0] == MODULE else script(existing_file(Path(name)), given)
    session = recorded_session(name, start, role_pairs(roles) if roles else ())
    run = lifted_run(name, session)
    print(session.output, end="", file=sys.stderr)
    save(path, run)
    places = ", ".join(place for place, _ in run.programs)
    print(f"Wrote {output} ({path.stat().st_size // 1024} KiB): the loss of {places}. Now: ppo-audit check {output}")


def _command(words: list[str]) -> list[str]:
    """The script, or `-m` and a module, and the arguments; a leading `python` is ours already."""
    words = words[1:] if words and PYTHON.match(Path(words[0]).name) else words
    if words and (words[0].endswith(".py") or (words[0] == MODULE and len(words) > 1)):
        return words
    given = " ".join(words) or "nothing"
    raise UsageError(
        f"expected `-- python script.py arguments` or `-- python -m module arguments` after the options, got {given}."
    )
