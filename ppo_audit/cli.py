"""The command line: the commands under one roof, and the exit code where none of them could choose it.

A command is a function in `commands/`; it is registered below, and loads what is heavy when it runs.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from ppo_audit.commands import check, demo, init, new_rule, profile, record, replay, rules, selftest, snapshot, training
from ppo_audit.errors import UsageError

OWN_BUG = 4
FOR_THE_SCRIPT = "What follows `--` is passed on to the script: ppo-audit check train.py -- --total-timesteps 512"
FOR_A_RUN = "What follows `--` is the command to record: ppo-audit record -o run.ppoaudit -- python train.py --seed 1"

app = typer.Typer(
    name="ppo-audit",
    help="Audit other people's PPO and GRPO losses and trainers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the code of architecture section 7."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    own, script_args = _split(arguments)
    _print_any_character()
    try:
        app(own, prog_name="ppo-audit", obj=script_args)
    except UsageError as error:
        print(f"ppo-audit: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
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


app.command("check", epilog=FOR_THE_SCRIPT)(check.check)
app.command("record", epilog=FOR_A_RUN)(record.record)
app.command("init")(init.init)
app.command("rules")(rules.rules)
app.command("explain")(rules.explain)
app.command("new-rule")(new_rule.new_rule)
app.command("replay")(replay.replay)
app.command("selftest")(selftest.selftest)
app.command("demo")(demo.demo)
app.command("snapshot", epilog=FOR_THE_SCRIPT)(snapshot.snapshot)
app.command("diff")(snapshot.diff)
app.command("profile")(profile.profile)
app.command("train")(training.train)
app.command("evaluate")(training.evaluate)


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
