"""`ppo-audit check`: options into `Settings`, the audit, the report, the exit code."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from ppo_audit.commands.options import (
    Debug,
    Device,
    FailOn,
    Format,
    Ignore,
    Inputs,
    LeastToFail,
    Output,
    Roles,
    Rules,
    Seed,
    Select,
    Targets,
    Values,
)
from ppo_audit.commands.writing import deliver, expect_folder
from ppo_audit.errors import Complaints, UsageError
from ppo_audit.findings import Report, Severity
from ppo_audit.settings import Settings, role_pairs, rule_codes, value_pairs


def check(
    context: typer.Context,
    targets: Targets,
    report_format: Format = None,
    output: Output = None,
    fail_on: LeastToFail = FailOn.SERIOUS,
    select: Select = None,
    ignore: Ignore = None,
    roles: Roles = None,
    values: Values = None,
    inputs: Inputs = None,
    device: Device = Settings.device,
    seed: Seed = Settings.seed,
    rules_at: Rules = None,
    debug: Debug = False,
) -> None:
    """Audit the targets and report what is wrong, what is right and what was not judged."""
    complaints, own_rules = Complaints(), tuple(rules_at or ())
    settings = Settings(
        select=complaints.hear(lambda: rule_codes(select or (), "select", own_rules), ()),
        ignore=complaints.hear(lambda: rule_codes(ignore or (), "ignore", own_rules), ()),
        fail_on=None if fail_on is FailOn.NEVER else Severity[fail_on.name],
        roles=complaints.hear(lambda: role_pairs(roles or ()), ()),
        values=complaints.hear(lambda: value_pairs(values or ()), ()),
        inputs=inputs,
        device=device,
        seed=seed,
        script_args=context.obj or (),
        rule_paths=own_rules,
    )
    complaints.hear(lambda: expect_folder(output), None)
    complaints.stop()
    report = audit(targets, settings)
    deliver(report, report_format, output)
    raise typer.Exit(report.exit_code)


def audit(targets: Sequence[str], settings: Settings) -> Report:
    """The report; a target that ends the process is refused."""
    from ppo_audit.api import audit_targets

    try:
        return audit_targets(targets, settings)
    except SystemExit as stop:
        # Else a target that calls sys.exit() would choose our exit code, and 0 where nothing was judged.
        raise UsageError(f"the target ended the process (`sys.exit({stop.code!r})`), so nothing was judged.") from stop
