"""`ppo-audit profile`: what a loss was measured to compute."""

from __future__ import annotations

from typing import Annotated

import typer

from ppo_audit.commands.options import Debug, Inputs, Roles, Values
from ppo_audit.settings import Settings, role_pairs, value_pairs


def profile(
    target: Annotated[str, typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")],
    context: typer.Context,
    roles: Roles = None,
    values: Values = None,
    inputs: Inputs = None,
    debug: Debug = False,
) -> None:
    """Show what a loss was measured to compute: variant, bounds, normalisation, terms; and which details it shows."""
    from ppo_audit.api import profile_of
    from ppo_audit.reports.terminal import card

    settings = Settings(
        roles=role_pairs(roles or ()), values=value_pairs(values or ()), inputs=inputs, script_args=context.obj or ()
    )
    print(card(profile_of(target, settings)), end="")
