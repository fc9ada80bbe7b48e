"""The command line: it reads options into `Settings`, calls the audit, and writes the report.

Heavy modules (torch, scipy, hypothesis, rich) load inside the commands that need them.
"""

from __future__ import annotations

import enum
import io
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ppo_audit import reports
from ppo_audit.errors import UsageError
from ppo_audit.findings import Report, Severity
from ppo_audit.rules import Page, catalogue
from ppo_audit.settings import Settings, no_such_rule, role_pairs, rule_codes, value_pairs

DEMO_TARGET = "ppo_audit.demo.distributional_ppo:loss"
DEMO_FOUND_SOMETHING = (0, 1)
OWN_BUG = 4
WIDEST = 120
UNKNOWN_WIDTH = 100

Parsed = TypeVar("Parsed")


class ReportFormat(enum.StrEnum):
    """How a report is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    JSON = "json"


class RulesFormat(enum.StrEnum):
    """How the list of rules is written."""

    TERMINAL = "terminal"
    JSON = "json"


class FailOn(enum.StrEnum):
    """The least severity that fails the run."""

    CRITICAL = "critical"
    SERIOUS = "serious"
    POTENTIAL = "potential"
    NEVER = "never"


FORMAT_OF_SUFFIX = {".md": ReportFormat.MARKDOWN, ".json": ReportFormat.JSON}

app = typer.Typer(
    name="ppo-audit",
    help="Audit other people's PPO and GRPO losses and trainers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Targets = Annotated[list[str], typer.Argument(help="pkg.mod:attr, path/file.py:attr or script.py", metavar="TARGET")]
Format = Annotated[ReportFormat | None, typer.Option("--format", help="Default: by the suffix of --output.")]
Output = Annotated[Path | None, typer.Option(help="Write the report to this file.", metavar="FILE")]
LeastToFail = Annotated[FailOn, typer.Option(help="Least severity that gives exit code 1.")]
Select = Annotated[list[str] | None, typer.Option(help="Only these: codes, prefixes, names.", metavar="RULES")]
Ignore = Annotated[list[str] | None, typer.Option(help="Not these.", metavar="RULES")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="Such as old_log_prob=lp_prev", metavar="ROLE=NAME")]
Values = Annotated[list[str] | None, typer.Option("--set", help="Such as clip_range=0.1", metavar="NAME=VALUE")]
Rules = Annotated[list[str] | None, typer.Option("--rules", help="More rules: a file or folder.", metavar="PATH")]
Inputs = Annotated[str | None, typer.Option(help="Makes the arguments.", metavar="PKG.MOD:FUNCTION")]
Device = Annotated[str, typer.Option(help="Where to measure.", metavar="DEVICE")]
Seed = Annotated[int, typer.Option(help="Seed of everything drawn.", metavar="N")]
DemoOutput = Annotated[Path, typer.Option(help="Where to write the markdown report.", metavar="FILE")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error in ppo-audit.", expose_value=False)
]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of architecture section 7."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    own, script_args = _split(arguments)
    _print_any_character()
    try:
        app(own, prog_name="ppo-audit", obj=script_args)
    except UsageError as error:
        print(f"ppo-audit: {error}", file=sys.stderr)
        sys.exit(UsageError.exit_code)
    except Exception as error:
        _apologise(error, own)
        sys.exit(OWN_BUG)


@app.callback(invoke_without_command=True)
def _root(
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if show_version:
        print(f"ppo-audit {version('ppo-audit')}")
        raise typer.Exit


@app.command(epilog="What follows `--` is passed on to the script: ppo-audit check train.py -- --total-timesteps 512")
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
    complaints.hear(lambda: _expect_folder(output), None)
    complaints.stop()
    report = _audit(targets, settings)
    _deliver(report, report_format, output)
    raise typer.Exit(report.exit_code)


@app.command()
def rules(
    rules_format: Annotated[RulesFormat, typer.Option("--format")] = RulesFormat.TERMINAL,
) -> None:
    """List the rules with code, name, severity and property."""
    pages = list(catalogue().values())
    if rules_format is RulesFormat.JSON:
        print(json.dumps([_rule_entry(page) for page in pages], indent=2))
        return
    for page in pages:
        print(f"{page.rule.code}  {page.rule.severity.label:<9}  {page.rule.name:<28}  {page.title}")


@app.command()
def explain(rule: Annotated[str, typer.Argument(help="Code or name of a rule.", metavar="CODE_OR_NAME")]) -> None:
    """Show the page of a rule: property, reason, limits, method, severity and cure."""
    page = _find_page(rule)
    print(f"{page.rule.code} {page.rule.name} ({page.rule.severity.label}, {page.rule.family})\n\n{page.text}")


@app.command("new-rule")
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


@app.command()
def selftest(
    output: Annotated[Path | None, typer.Option(help="Store the matrix in this file.", metavar="FILE")] = None,
    against: Annotated[Path | None, typer.Option(help="Fail where a cell got worse.", metavar="FILE")] = None,
) -> None:
    """Inject every fault of the corpus, run the rules, and show how many are found, owned and placed."""
    from ppo_audit import selftest as workshop

    cells = workshop.run()
    lost = workshop.worse(json.loads(against.read_text()), cells) if against else []
    print("\n".join([*workshop.table(cells), *lost]))
    if output:
        _write(output, workshop.matrix(cells))
    raise typer.Exit(int(bool(lost) or not workshop.figures(cells).meets_the_goal()))


@app.command()
def demo(
    output: DemoOutput = Path("ppo-audit-demo.md"),
    debug: Debug = False,
) -> None:
    """Audit the bundled example: report here, and in markdown beside you."""
    _expect_folder(output)
    report = _audit([DEMO_TARGET], Settings())
    _write(output, reports.render(report, ReportFormat.MARKDOWN))
    print(f"The same report in markdown: {output}\n")
    print(_terminal(report), end="")
    raise typer.Exit(0 if report.exit_code in DEMO_FOUND_SOMETHING else report.exit_code)


@app.command()
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


@app.command()
def train(
    algorithm: Annotated[str, typer.Argument(help="ppo, ppo_kl, trpo, grpo, bc, ...", metavar="ALGO")],
    environment: Annotated[str, typer.Argument(help="A gymnasium id, also one of your own.", metavar="ENV")],
    output: Annotated[Path, typer.Option(help="Folder for checkpoint, metrics and curve.")] = Path("runs/latest"),
    steps: Annotated[int | None, typer.Option(help="Environment steps; default: the preset.")] = None,
    seed: Seed = Settings.seed,
    values: Values = None,
    quick: Annotated[bool, typer.Option("--quick", help="The two-stage cycle in under a minute.")] = False,
    debug: Debug = False,
) -> None:
    """Train with a reference trainer: progress, final evaluation, checkpoint, metrics and curve."""
    from ppo_audit import training

    if quick:
        print(training.quick(environment, output, seed))
    else:
        print(training.train(algorithm, environment, output, steps, [f"seed={seed}", *(values or ())]))


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint.pt of `train`.")],
    episodes: Annotated[int, typer.Option(help="Whole episodes to play.", metavar="N", min=1)] = 10,
    deterministic: Annotated[bool, typer.Option(help="The most likely action, or a sampled one.")] = True,
    seed: Seed = Settings.seed,
    debug: Debug = False,
) -> None:
    """Play a checkpoint and say how well it does."""
    from ppo_audit import training

    print(training.evaluate(checkpoint, episodes, deterministic, seed))


class Complaints:
    """Keeps what the user got wrong, so that he hears of all of it at once."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    def hear(self, parse: Callable[[], Parsed], otherwise: Parsed) -> Parsed:
        """What `parse` returns; `otherwise` where it refuses, and its message is kept."""
        try:
            return parse()
        except UsageError as error:
            self._messages.append(str(error))
            return otherwise

    def stop(self) -> None:
        """Refuse to go on if anything was wrong."""
        if self._messages:
            raise UsageError("\n".join(self._messages))


def _split(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Our own arguments, and those behind `--` for the script."""
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:cut], tuple(arguments[cut + 1 :])


def _print_any_character() -> None:
    # A narrow encoding (a C locale, an old Windows console) must not turn a finished audit into an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _apologise(error: Exception, arguments: list[str]) -> None:
    if "--debug" in arguments:
        traceback.print_exception(error)
    print(
        f"ppo-audit: sorry, this is a bug in ppo-audit, not in your code: {type(error).__name__}: {error}\n"
        "Please report it with the output of the same command and --debug.",
        file=sys.stderr,
    )


def _audit(targets: Sequence[str], settings: Settings) -> Report:
    from ppo_audit.api import audit_targets

    try:
        return audit_targets(targets, settings)
    except SystemExit as stop:
        # Else a target that calls sys.exit() would choose our exit code, and 0 where nothing was judged.
        raise UsageError(f"the target ended the process (`sys.exit({stop.code!r})`), so nothing was judged.") from stop


def _deliver(report: Report, chosen: ReportFormat | None, output: Path | None) -> None:
    suffix = output.suffix.lower() if output else ""
    name = chosen or FORMAT_OF_SUFFIX.get(suffix, ReportFormat.TERMINAL)
    if output:
        _write(output, reports.render(report, name))
        print(f"Wrote {output}. {reports.verdict(report)}")
    else:
        print(_terminal(report) if name is ReportFormat.TERMINAL else reports.render(report, name), end="")


def _terminal(report: Report) -> str:
    from ppo_audit.reports import terminal

    interactive = sys.stdout.isatty()
    width = min(shutil.get_terminal_size().columns, WIDEST) if interactive else UNKNOWN_WIDTH
    return terminal.render(report, width, "colour" if interactive and not os.environ.get("NO_COLOR") else "plain")


def _expect_folder(output: Path | None) -> None:
    if output and not output.parent.is_dir():
        raise UsageError(f"--output: `{output}` lies in a folder that does not exist; make `{output.parent}` first.")
    if output and output.is_dir():
        raise UsageError(f"--output: `{output}` is a folder; expected a file, such as `{output / 'report.md'}`.")


def _write(output: Path, text: str) -> None:
    try:
        output.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output: cannot write `{output}` ({error.strerror}); choose another file.") from error


def _find_page(name: str) -> Page:
    for page in catalogue().values():
        if name.casefold() in (page.rule.code.casefold(), page.rule.name):
            return page
    raise UsageError(no_such_rule(name))


def _rule_entry(page: Page) -> dict[str, object]:
    return {
        "code": page.rule.code,
        "name": page.rule.name,
        "family": page.rule.family,
        "severity": page.rule.severity.label,
        "needs": list(page.rule.needs),
        "kinds": list(page.rule.kinds),
        "title": page.title,
        "references": list(page.references),
    }
