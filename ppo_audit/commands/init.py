"""`ppo-audit init`: a configuration file with every key in it, commented."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ppo_audit.commands.writing import write
from ppo_audit.configuration.document import OWN_FILE
from ppo_audit.configuration.starter import starter
from ppo_audit.errors import UsageError


def init(
    targets: Annotated[list[str] | None, typer.Argument(help="What to audit.", metavar="TARGET")] = None,
    output: Annotated[Path, typer.Option(help="Where to write it.", metavar="FILE")] = Path(OWN_FILE),
) -> None:
    """Write a configuration file in which every key is explained."""
    if output.exists():
        raise UsageError(f"`{output}` exists and is left as it is; edit it, or name another file with --output.")
    write(output, starter(tuple(targets or ())))
    print(f"Wrote {output}. `ppo-audit check` reads it; `ppo-audit check --show-settings` shows what holds.")
