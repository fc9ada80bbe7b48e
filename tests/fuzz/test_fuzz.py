"""Whatever is typed or lies in the files: no traceback, no bug of ours, and no success where nothing was judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ppo_audit.findings import Status
from tests.fuzz import documents
from tests.fuzz.session import CODES, Stub, run
from tests.fuzz.words import calls, command_lines

PASSED, FLAGGED, SKIPPED, ERRORED = Status.PASSED, Status.FLAGGED, Status.SKIPPED, Status.ERRORED
ENDS = st.sampled_from(((PASSED,), (FLAGGED,), (PASSED, FLAGGED, SKIPPED), (SKIPPED,), (PASSED, ERRORED), ()))
"""How the rules of a target end, in turns; nothing stands for a target that cannot be called."""
PLAIN = st.sampled_from(
    (["check"], ["check", "loss.py:loss"], ["check", "loss.py:loss", "pkg:f"], ["check", "--show-settings"])
)
SOUND = {
    "loss.py": documents.LOSS_FILE.format("#", "").encode(),
    "rule.py": documents.RULE_FILE.encode(),
    "known.json": documents.BASELINE.encode(),
    "report.json": documents.REPORT.encode(),
}
FILES = st.fixed_dictionaries(
    {},
    optional={
        "loss.py": documents.commented(),
        "rule.py": documents.rule_files(),
        "ppo-audit.toml": documents.configurations(),
        "config.toml": documents.configurations(),
        "pyproject.toml": documents.configurations(),
        "known.json": documents.baselines(),
        "report.json": documents.stored_reports(),
    },
)
AUDITS = ("check", "replay", "demo")
ONLY_TELLS = ("--help", "--version", "--show-settings")


def cases(number: int):
    """So many cases, the same every time."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[*HealthCheck],
        phases=(Phase.generate, Phase.shrink),
    )


def expect_an_honest_end(
    home: Path, arguments: Sequence[str], files: Mapping[str, bytes], ends: Sequence[Status]
) -> None:
    stub = Stub(ends)
    ended = run(arguments, {**SOUND, **files}, stub, home)
    assert "Traceback" not in ended.out + ended.err
    assert ended.code in CODES, ended.err
    assert ended.code != 2 or ended.err.strip() or ended.out.strip()
    if ended.code == 0 and arguments[0] in AUDITS and not set(ONLY_TELLS) & set(arguments):
        assert stub.has_judged()


@cases(1600)
@given(command_lines(), FILES, ENDS)
def test_a_command_line_ends_honestly(tmp_path, arguments, files, ends):
    expect_an_honest_end(tmp_path, arguments or [""], files, ends)


@cases(1400)
@given(documents.configurations(), PLAIN | calls("check"), ENDS)
def test_a_configuration_ends_honestly(tmp_path, text, arguments, ends):
    expect_an_honest_end(tmp_path, arguments, {"ppo-audit.toml": text}, ends)


@cases(1000)
@given(documents.baselines(), st.sampled_from((["--baseline"], ["--write-baseline"])), ENDS)
def test_a_baseline_ends_honestly(tmp_path, text, option, ends):
    accepted = ["--reason", "known"] if option == ["--write-baseline"] else []
    expect_an_honest_end(
        tmp_path, ["check", "loss.py:loss", *option, "known.json", *accepted], {"known.json": text}, ends
    )


@cases(600)
@given(documents.commented(), ENDS)
def test_a_comment_ends_honestly(tmp_path, text, ends):
    expect_an_honest_end(tmp_path, ["check", "loss.py:loss", "--strict-waivers"], {"loss.py": text}, ends)


@cases(400)
@given(documents.stored_reports(), ENDS)
def test_a_stored_report_ends_honestly(tmp_path, text, ends):
    expect_an_honest_end(
        tmp_path, ["replay", documents.OF_A_FINDING, "--report", "report.json"], {"report.json": text}, ends
    )


@cases(400)
@given(documents.rule_files(), ENDS)
def test_a_rule_file_ends_honestly(tmp_path, text, ends):
    expect_an_honest_end(tmp_path, ["check", "loss.py:loss", "--rules", "rule.py"], {"rule.py": text}, ends)


@cases(400)
@given(documents.snapshots(), ENDS)
def test_a_snapshot_ends_honestly(tmp_path, text, ends):
    expect_an_honest_end(tmp_path, ["check", "--against", "taken.json"], {"taken.json": text}, ends)
