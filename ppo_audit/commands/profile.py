"""`ppo-audit profile`: what a loss was measured to compute."""

from __future__ import annotations

from typing import Annotated

import typer

from ppo_audit.commands.options import Debug, InProcess, Inputs, Roles, Values
from ppo_audit.settings import Settings, role_pairs, value_pairs


def profile(
    target: Annotated[str, typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")],
    context: typer.Context,
    roles: Roles = None,
    values: Values = None,
    inputs: Inputs = None,
    in_process: InProcess = False,
    debug: Debug = False,
) -> None:
    """Show what a loss was measured to compute: variant, bounds, normalisation, terms; and which details it shows."""
    from ppo_audit.isolation.errand import in_worker
    from ppo_audit.isolation.records import Errand
    from ppo_audit.reports.terminal import card

    settings = Settings(
        roles=role_pairs(roles or ()), values=value_pairs(values or ()), inputs=inputs, script_args=context.obj or ()
    )
    errand = Errand("ppo_audit.api", "profile_of")
    print(card(errand(target, settings) if in_process else in_worker(errand, target, settings)), end="")
