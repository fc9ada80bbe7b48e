"""The command line: options become settings, reports are delivered, and every exit code means what it says."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import ppo_audit
from ppo_audit import cli
from ppo_audit.errors import UsageError
from ppo_audit.findings import Report, Severity
from ppo_audit.rules import Page, Rule
from ppo_audit.settings import Settings
from tests.reports.samples import CLEAN, DECLINED, LOSS, report

HEAVY = ("torch", "scipy", "hypothesis", "numpy", "rich")
TEXT = "A title.\n\nProperty.  r is finite."


class Audit:
    """Stands for the engine: remembers what it was asked, answers with a report made beforehand."""

    def __init__(self, answer: Report | BaseException) -> None:
        self.answer = answer
        self.specs: Sequence[str] = ()
        self.settings = Settings()

    def __call__(self, specs: Sequence[str], settings: Settings) -> Report:
        self.specs, self.settings = specs, settings
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report | BaseException], Audit]:
    def install(answer: Report | BaseException) -> Audit:
        stub = Audit(answer)
        module = types.SimpleNamespace(audit_targets=stub)
        monkeypatch.setitem(sys.modules, "ppo_audit.api", module)
        monkeypatch.setattr(ppo_audit, "api", module, raising=False)
        monkeypatch.setattr(
            "ppo_audit.isolation.pool.audit_isolated", lambda specs, settings, jobs: stub(specs, settings)
        )
        return stub

    return install


@pytest.fixture
def one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(Rule("PPO101", "ratio-overflow", "ratio", Severity.CRITICAL), "A title.", {}, TEXT, Path("x.py"))
    monkeypatch.setattr("ppo_audit.commands.rules.catalogue", lambda: {"PPO101": page})
    monkeypatch.setattr("ppo_audit.settings.catalogue", lambda paths=(): {"PPO101": page})


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the repository, whose own configuration is no part of these tests."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


class TestExitCodes:
    @pytest.mark.parametrize(("target", "code"), [(CLEAN, 0), (LOSS, 1), (DECLINED, 2)])
    def test_is_that_of_the_report(self, audit, target, code: int):
        audit(report(target))
        assert run("check", "pkg:loss") == code

    def test_a_usage_error_of_the_engine_is_2_and_has_no_traceback(self, audit, capsys):
        audit(UsageError("`pkg` has no `lss`. Did you mean `loss`?"))
        assert run("check", "pkg:lss") == 2
        assert capsys.readouterr().err == "ppo-audit: `pkg` has no `lss`. Did you mean `loss`?\n"

    @pytest.mark.parametrize(
        "arguments", [[], ["check"], ["check", "x", "--fail-on", "bad"], ["chek"], ["check", "x", "--nope"]]
    )
    def test_a_wrong_command_line_is_2(self, arguments: list[str], capsys):
        assert run(*arguments) == 2
        assert "Traceback" not in capsys.readouterr().err

    def test_a_target_cannot_choose_the_exit_code(self, audit, capsys):
        audit(SystemExit(0))
        assert run("check", "train.py", "--in-process") == 2
        assert "the target ended the process (`sys.exit(0)`)" in capsys.readouterr().err

    def test_an_interruption_is_130(self, audit):
        audit(KeyboardInterrupt())
        assert run("check", "train.py") == 130

    def test_our_own_error_is_4_with_an_apology(self, audit, capsys):
        audit(ZeroDivisionError("division by zero"))
        assert run("check", "pkg:loss") == 4
        error = capsys.readouterr().err
        assert "sorry, this is a bug in ppo-audit" in error
        assert "Please report it" in error
        assert "Traceback" not in error

    def test_the_traceback_comes_with_debug(self, audit, capsys):
        audit(ZeroDivisionError("division by zero"))
        assert run("check", "pkg:loss", "--debug") == 4
        assert "Traceback" in capsys.readouterr().err


class TestCheck:
    @pytest.mark.usefixtures("one_rule")
    def test_options_become_settings(self, audit):
        asked = audit(report(LOSS))
        options = ["--select", "PPO1", "--ignore=ratio-overflow", "--fail-on", "critical", "--inputs", "pkg:make"]
        options += [
            "--role",
            "mask=m",
            "--role",
            "value=v",
            "--set",
            "clip_range=0.1",
            "--device",
            "cuda",
            "--seed",
            "7",
        ]
        run("check", "a:f", "b.py", *options)
        assert asked.specs == ["a:f", "b.py"]
        assert asked.settings == Settings(
            select=("PPO101",),
            ignore=("PPO101",),
            fail_on=Severity.CRITICAL,
            roles=(("mask", "m"), ("value", "v")),
            values=(("clip_range", 0.1),),
            inputs="pkg:make",
            device="cuda",
            seed=7,
        )

    def test_without_options_the_settings_are_the_defaults(self, audit):
        asked = audit(report(LOSS))
        run("check", "a:f")
        assert asked.settings == Settings()

    def test_never_to_fail_is_no_severity(self, audit):
        asked = audit(report(LOSS))
        run("check", "a:f", "--fail-on", "never")
        assert asked.settings.fail_on is None

    def test_what_follows_two_dashes_is_for_the_script(self, audit):
        asked = audit(report(LOSS))
        run("check", "train.py", "--seed", "1", "--", "--seed", "2", "--", "x")
        assert asked.specs == ["train.py"]
        assert asked.settings.seed == 1
        assert asked.settings.script_args == ("--seed", "2", "--", "x")

    @pytest.mark.usefixtures("one_rule")
    def test_all_mistakes_are_told_at_once(self, audit, capsys):
        asked = audit(report(LOSS))
        assert (
            run("check", "a:f", "--select", "PPO011", "--role", "x", "--set", "y", "--output", "no/such/file.md") == 2
        )
        error = capsys.readouterr().err
        assert "--select: `PPO011` is no rule" in error
        assert "Did you mean `PPO101`?" in error
        assert "--role: `x` is no pair" in error
        assert "--set: `y` is no pair" in error
        assert "--output: `no/such/file.md` lies in a folder that does not exist" in error
        assert asked.specs == ()


class TestDelivery:
    @pytest.mark.parametrize(
        ("options", "beginning"),
        [
            ([], "distributional_ppo:loss\n"),
            (["--format", "terminal"], "distributional_ppo:loss\n"),
            (["--format", "markdown"], "# PPO audit of"),
            (["--format", "json"], '{\n  "schema": "ppo-audit/1"'),
            (["--format", "sarif"], '{\n  "$schema": "https://json.schemastore.org/sarif-2.1.0.json"'),
            (["--format", "junit"], '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites'),
            (["--format", "html"], "<!DOCTYPE html>"),
            (["--format", "github"], "::error file=distributional_ppo.py"),
        ],
    )
    def test_the_format_asked_for(self, audit, capsys, options: list[str], beginning: str):
        audit(report(LOSS))
        run("check", "a:f", *options)
        assert capsys.readouterr().out.startswith(beginning)

    @pytest.mark.parametrize(
        ("name", "options", "beginning"),
        [
            ("r.md", [], "# PPO audit of"),
            ("r.json", [], "{"),
            ("r.SARIF", [], '{\n  "$schema"'),
            ("r.xml", [], "<?xml"),
            ("r.html", [], "<!DOCTYPE html>"),
            ("r.txt", [], "distributional_ppo:loss"),
            ("r.txt", ["--format", "json"], "{"),
        ],
    )
    def test_a_file_is_written_in_the_format_of_its_name(self, audit, tmp_path, capsys, name, options, beginning):
        audit(report(LOSS))
        assert run("check", "a:f", "--output", str(tmp_path / name), *options) == 1
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(beginning)
        assert capsys.readouterr().out.endswith("Exit code 1: a finding at or above serious.\n")

    def test_a_folder_is_no_file(self, audit, tmp_path, capsys):
        audit(report(LOSS))
        assert run("check", "a:f", "--output", str(tmp_path)) == 2
        assert "is a folder; expected a file" in capsys.readouterr().err


class TestDemo:
    def test_succeeds_prints_the_report_and_writes_markdown(self, audit, tmp_path, capsys):
        asked = audit(report(LOSS))
        assert run("demo", "--output", str(tmp_path / "demo.md")) == 0
        assert asked.specs == ["ppo_audit.demo.distributional_ppo:loss"]
        assert (tmp_path / "demo.md").read_text(encoding="utf-8").startswith("# PPO audit of")
        assert capsys.readouterr().out.endswith("Exit code 1: a finding at or above serious.\n")

    def test_fails_where_nothing_was_judged(self, audit, tmp_path):
        audit(report(DECLINED))
        assert run("demo", "--output", str(tmp_path / "demo.md")) == 2


@pytest.mark.usefixtures("one_rule")
class TestRules:
    def test_list(self, capsys):
        assert run("rules") == 0
        assert capsys.readouterr().out.split() == ["PPO101", "critical", "ratio-overflow", "A", "title."]

    def test_list_for_machines(self, capsys):
        run("rules", "--format", "json")
        assert json.loads(capsys.readouterr().out)[0]["code"] == "PPO101"

    @pytest.mark.parametrize("name", ["PPO101", "ppo101", "ratio-overflow", "Ratio-Overflow"])
    def test_explain(self, name: str, capsys):
        assert run("explain", name) == 0
        assert capsys.readouterr().out == f"PPO101 ratio-overflow (critical, ratio)\n\n{TEXT}\n"

    def test_explain_names_the_closest_match(self, capsys):
        assert run("explain", "ratio-overflows") == 2
        assert "Did you mean `ratio-overflow`?" in capsys.readouterr().err


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["rules"], ["check", "--help"], ["explain", "PPO101"]]
)
def test_what_only_reads_imports_nothing_heavy(arguments: list[str]):
    program = (
        "import sys\nfrom ppo_audit.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    assert in_a_process("-c", program).stdout.endswith("HEAVY []\n")


def test_the_module_runs_as_the_command_does():
    assert in_a_process("-m", "ppo_audit", "--version").stdout.startswith("ppo-audit ")
    script = Path(sys.executable).with_name("ppo-audit")
    assert subprocess.run([script, "--version"], capture_output=True, text=True, check=True).stdout.startswith(
        "ppo-audit "
    )


class TestSeveralReports:
    FILES = ("report.html", "report.json", "report.md", "report.sarif", "report.xml")

    def test_all_are_written_at_once_beside_the_terminal_report(self, audit, tmp_path, capsys):
        asked = audit(report(LOSS))
        folder = tmp_path / "new" / "out"
        formats = ["--report", "sarif,junit", "--report", "markdown,html,JSON,sarif"]
        assert run("check", "pkg:loss", *formats, "--report-dir", str(folder)) == 1
        assert tuple(sorted(path.name for path in folder.iterdir())) == self.FILES
        assert capsys.readouterr().out.startswith("distributional_ppo:loss\n")
        assert asked.settings.curves

    def test_pictures_are_measured_for_html_only(self, audit, tmp_path):
        asked = audit(report(CLEAN))
        run("check", "pkg:loss", "--report", "sarif", "--report-dir", str(tmp_path))
        assert not asked.settings.curves
        run("check", "pkg:loss", "--output", str(tmp_path / "x.html"))
        assert asked.settings.curves

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--report", "sarf"], "`sarf` is no format; expected some of sarif, junit, markdown, html, json, github."),
            (["--report", ","], "--report: no format is named"),
            (["--report", "sarif", "--report-dir", "/dev/null/x"], "--report-dir: cannot make `/dev/null/x`"),
        ],
    )
    def test_what_cannot_be_is_refused_before_the_audit(self, audit, capsys, options: list[str], said: str):
        asked = audit(report(CLEAN))
        assert run("check", "pkg:loss", *options) == 2
        assert said in capsys.readouterr().err
        assert asked.specs == ()

    def test_a_format_that_fails_keeps_no_other_from_being_written(self, audit, tmp_path, capsys, monkeypatch):
        audit(report(CLEAN))
        monkeypatch.setattr("ppo_audit.reports.html_report.render", lambda given: 1 / 0)
        options = ["--report", "html,sarif", "--report-dir", str(tmp_path)]
        assert run("check", "pkg:loss", *options) == 4
        output = capsys.readouterr()
        assert "--report html: sorry, this is a bug in ppo-audit: ZeroDivisionError" in output.err
        assert [path.name for path in tmp_path.iterdir()] == ["report.sarif"]
        assert output.out.startswith("clean:loss\n")

    def test_a_path_that_cannot_be_written_keeps_no_other_from_being_written(self, audit, tmp_path, capsys):
        audit(report(LOSS))
        (tmp_path / "report.sarif").mkdir()
        assert run("check", "pkg:loss", "--report", "sarif,junit", "--report-dir", str(tmp_path)) == 2
        assert "--report sarif: cannot write" in capsys.readouterr().err
        assert (tmp_path / "report.xml").is_file()

    def test_on_github_it_annotates_and_appends_to_the_summary(self, audit, tmp_path, capsys, monkeypatch):
        audit(report(LOSS))
        summary = tmp_path / "summary.md"
        summary.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        assert run("check", "pkg:loss", "--report", "github") == 1
        assert "::error file=distributional_ppo.py,line=41" in capsys.readouterr().out
        assert summary.read_text().startswith("before\n## ppo-audit\n")

    def test_a_name_of_the_target_is_no_command_to_github(self, audit, capsys, monkeypatch):
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        audit(report(dataclasses.replace(CLEAN, target="::add-mask::x")))
        run("check", "pkg:loss")
        first, *_, last = capsys.readouterr().out.splitlines()
        assert first.startswith("::stop-commands::")
        assert last == f"::{first.removeprefix('::stop-commands::')}::"
