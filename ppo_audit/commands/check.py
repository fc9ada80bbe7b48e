"""`ppo-audit check`: options into `Settings`, the audit, the report, the exit code."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from ppo_audit.commands import fixing, snapshot
from ppo_audit.commands.accepting import accept, accepting, with_baseline
from ppo_audit.commands.configured import command_line, configured, in_file, least_to_fail, targets_of
from ppo_audit.commands.fixing import Diff, FixThem, UnsafeFixes
from ppo_audit.commands.options import (
    Against,
    Baseline,
    Config,
    Debug,
    Device,
    Expires,
    Format,
    Ignore,
    InProcess,
    Inputs,
    Jobs,
    LeastToFail,
    MemoryLimit,
    Output,
    Reason,
    ReportFolder,
    Reports,
    Roles,
    Rules,
    SeedIfGiven,
    Select,
    ShowOutput,
    ShowSettings,
    StrictWaivers,
    Targets,
    TimeLimit,
    Values,
    WriteBaseline,
)
from ppo_audit.commands.several import expect_report_folder, report_formats, write_reports
from ppo_audit.commands.writing import ReportFormat, deliver, expect_folder, format_of, printed_by
from ppo_audit.configuration.layers import Configuration, explained, settings_of
from ppo_audit.errors import Complaints, UsageError
from ppo_audit.findings import Report
from ppo_audit.settings import Settings, role_pairs, rule_codes, value_pairs


def check(
    context: typer.Context,
    targets: Targets = None,
    against: Against = None,
    report_format: Format = None,
    output: Output = None,
    several: Reports = None,
    report_dir: ReportFolder = Path("ppo-audit-report"),
    diff: Diff = False,
    fix: FixThem = False,
    unsafe_fixes: UnsafeFixes = False,
    fail_on: LeastToFail = None,
    select: Select = None,
    ignore: Ignore = None,
    roles: Roles = None,
    values: Values = None,
    inputs: Inputs = None,
    device: Device = None,
    seed: SeedIfGiven = None,
    rules_at: Rules = None,
    time_limit: TimeLimit = None,
    memory_limit: MemoryLimit = None,
    jobs: Jobs = None,
    in_process: InProcess = False,
    show_output: ShowOutput = False,
    config: Config = None,
    show_settings: ShowSettings = False,
    baseline: Baseline = None,
    write_baseline: WriteBaseline = None,
    reason: Reason = None,
    expires: Expires = None,
    strict_waivers: StrictWaivers = False,
    debug: Debug = False,
) -> None:
    """Audit the targets and report what is wrong, what is right and what was not judged."""
    complaints = Complaints()
    no_formats: tuple[ReportFormat, ...] = ()
    formats = complaints.hear(lambda: report_formats(several or ()), no_formats)
    configuration = complaints.hear(lambda: configured(config, complaints), Configuration())
    own_rules = tuple(rules_at or ()) or in_file(configuration, "rule_paths", ())
    given = least_to_fail(fail_on) | command_line(
        select=complaints.hear(lambda: rule_codes(select, "--select", own_rules) if select else None, None),
        ignore=complaints.hear(lambda: rule_codes(ignore, "--ignore", own_rules) if ignore else None, None),
        roles=complaints.hear(lambda: role_pairs(roles) if roles else None, None),
        values=complaints.hear(lambda: value_pairs(values) if values else None, None),
        inputs=inputs,
        device=device,
        seed=seed,
        script_args=context.obj or None,
        rule_paths=tuple(rules_at) if rules_at else None,
        baseline=str(baseline) if baseline else None,
        strict_waivers=strict_waivers or None,
        time_limit=time_limit,
        memory_limit=memory_limit,
        reruns=fixing.RERUNS if diff or fix or unsafe_fixes else None,
        curves=ReportFormat.HTML in (*formats, format_of(report_format, output)) or None,
    )
    acceptance = complaints.hear(lambda: accepting(write_baseline, reason, expires), None)
    complaints.hear(lambda: expect_folder(output), None)
    complaints.hear(lambda: expect_report_folder(formats, report_dir), None)
    complaints.stop()
    if show_settings:
        print("\n".join(explained(configuration, given)))
        raise typer.Exit
    if against is not None:
        held = settings_of(configuration, given)
        raise typer.Exit(snapshot.against(against, targets or [], held, report_format, in_process))
    settings, specs = settings_of(configuration, given), targets_of(configuration, targets)
    # A target may delete the folder that we are in.
    place, folder = output.absolute() if output else None, report_dir.absolute()
    run = audit if in_process else functools.partial(audit_isolated, jobs=jobs)
    if acceptance:
        raise typer.Exit(accept(run(specs, settings), acceptance))
    if diff:
        raise typer.Exit(fixing.show(run(specs, with_baseline(settings)), unsafe_fixes))
    run = functools.partial(fixing.fixed, run, unsafe=unsafe_fixes) if fix or unsafe_fixes else run
    report = run(specs, with_baseline(settings))
    if show_output:
        print(printed_by(report), end="", file=sys.stderr)
    failed = write_reports(report, formats, folder)
    deliver(report, report_format, output, place)
    codes = (failed, report.exit_code)
    raise typer.Exit(next(code for code in (4, 2, report.exit_code) if code in codes))


def audit_isolated(targets: Sequence[str], settings: Settings, jobs: int | None) -> Report:
    """The report, made in worker processes."""
    from ppo_audit.isolation import pool

    return pool.audit_isolated(targets, settings, jobs or pool.cores())


def audit(targets: Sequence[str], settings: Settings) -> Report:
    """The report, made in this process; what targets print goes to stderr; one that ends the process is refused."""
    from ppo_audit.api import audit_targets

    try:
        with contextlib.redirect_stdout(sys.stderr):
            return audit_targets(targets, settings)
    except SystemExit as stop:
        # Else a target that calls sys.exit() would choose our exit code, and 0 where nothing was judged.
        raise UsageError(f"the target ended the process (`sys.exit({stop.code!r})`), so nothing was judged.") from stop
