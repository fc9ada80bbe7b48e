"""One run of the command line in process, in a folder of its own, with a stub wherever a target would be measured."""

from __future__ import annotations

import contextlib
import functools
import io
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import typer.main

from ppo_audit import cli, rules
from ppo_audit.errors import UsageError
from ppo_audit.findings import Outcome, Report, Status, TargetReport
from ppo_audit.isolation.records import Errand
from ppo_audit.run_report import report_of
from ppo_audit.settings import Settings
from tests.reports.samples import GUESSED, LOSS, OVERFLOW, SIGN_FLIP

JUDGED = (Status.PASSED, Status.FLAGGED, Status.WAIVED)
FINDINGS = (GUESSED, SIGN_FLIP, OVERFLOW)
FEW = 10
"""Rules that end in a case: more of them make a longer report and no other one."""
CODES = (0, 1, 2, 3, 5)
"""What may answer any input; 4 is a bug in ppo-audit."""


@dataclass
class Stub:
    """Stands for the engine: every target ends as the case says, and what it was asked is remembered."""

    statuses: Sequence[Status]
    """How the rules of a target end, in turns; where there are none, the target cannot be called."""
    reports: list[Report] = field(default_factory=list)

    def audit(self, specs: Sequence[str], settings: Settings, jobs: int = 1) -> Report:
        entries = [self.entry(spec, settings.of(spec)) for spec in specs]
        self.reports.append(report_of(entries, settings, specs[0] if specs else ""))
        return self.reports[-1]

    def entry(self, spec: str, settings: Settings) -> TargetReport:
        if not self.statuses:
            return TargetReport(spec, "unknown", error=f"`{spec}` cannot be called.", exit_code=2)
        codes = [code for code in rules.catalogue(settings.rule_paths) if settings.selects(code)][:FEW]
        ends = {code: self.statuses[number % len(self.statuses)] for number, code in enumerate(codes)}
        outcomes = tuple(Outcome(code, "a-rule", status) for code, status in ends.items())
        found = tuple(each for each in FINDINGS if ends.get(each.rule) is Status.FLAGGED)
        code = 3 if Status.ERRORED in ends.values() else 0 if set(ends.values()) & set(JUDGED) else 5
        return TargetReport(spec, "loss", "loss.py", 3, LOSS.roles, {}, outcomes, found, exit_code=code)

    def profile(self, spec: str, settings: Settings) -> TargetReport:
        self.audit([spec], settings)
        if not self.statuses:
            raise UsageError(f"`{spec}` cannot be called.")
        return LOSS

    def has_judged(self) -> bool:
        """Whether something was judged of every target that was asked for."""
        targets = [target for report in self.reports for target in report.targets]
        return bool(targets) and all(
            any(outcome.status in JUDGED for outcome in target.outcomes) and not target.error for target in targets
        )


@dataclass(frozen=True)
class Ended:
    """How a run ended and what it said."""

    code: int
    out: str
    err: str


def run(arguments: Sequence[str], files: Mapping[str, bytes], stub: Stub, home: Path) -> Ended:
    """Run the command line in a folder with these files alone."""
    out, err = _stream("strict"), _stream("backslashreplace")
    with _at(home, files), _stubbed(stub), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(arguments)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return Ended(code, _text(out), _text(err))


def _stream(errors: str) -> io.TextIOWrapper:
    """As a terminal's: bytes in the end."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors=errors)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _at(home: Path, files: Mapping[str, bytes]) -> Iterator[None]:
    for left in home.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    (home / "folder").mkdir()
    for name, content in files.items():
        (home / name).write_bytes(content)
    rules.catalogue.cache_clear()
    path = list(sys.path)
    with contextlib.chdir(home):
        yield
    sys.path[:] = path


@contextlib.contextmanager
def _stubbed(stub: Stub) -> Iterator[None]:
    """Measuring, training and the corpus stand still; all that reads what the user wrote is the real thing."""
    with contextlib.ExitStack() as stack:
        put = lambda place, value: stack.enter_context(mock.patch(place, value))
        put("typer.main.get_command", _commands)
        put("ppo_audit.isolation.pool.audit_isolated", stub.audit)
        put("ppo_audit.api.audit_targets", stub.audit)
        put("ppo_audit.api.profile_of", stub.profile)
        put("ppo_audit.training._asked", _refused)
        put("ppo_audit.commands.snapshot.in_worker", _at_once)
        put("ppo_audit.isolation.errand.in_worker", _at_once)
        put("ppo_audit.gate.errands.take", _refused)
        put("ppo_audit.gate.errands.judged", _refused)
        put("ppo_audit.selftest.run", list)
        put("ppo_audit.selftest.run_generated", lambda every: [])
        yield


def _at_once(errand: Errand, spec: str, settings: Settings) -> object:
    return errand(spec, settings)


def _refused(*asked: object) -> None:
    raise UsageError("this is not what is tried here.")


_built = typer.main.get_command


@functools.cache
def _commands(app: typer.Typer) -> object:
    """The parser, built once: it takes longer than a run."""
    return _built(app)
