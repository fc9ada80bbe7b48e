"""`ppo-audit new-rule`: the skeleton of a rule and of its tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new_rule(
    name: Annotated[str, typer.Argument(help="Lower-case words joined by hyphens.")],
    code: Annotated[str, typer.Option(help="Letters of your own and a number.")] = "ACME001",
    family: Annotated[str, typer.Option(help="A family of the report.")] = "clip",
    folder: Annotated[Path, typer.Option(help="Where to write rule and test.")] = Path(),
) -> None:
    """Write the skeleton of a rule and its tests, which fail until they are filled in."""
    from ppo_audit.new_rule import write

    for path in write(name, code, family, folder):
        print(f"Wrote {path}")
    print(f"Run it with: ppo-audit check TARGET --rules {folder}")
