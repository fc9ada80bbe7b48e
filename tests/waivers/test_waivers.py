"""Waivers: by comment, configuration and baseline file; a reason is required, and what waives nothing is told."""

from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import jsonschema
import pytest

from ppo_audit import cli, reports
from ppo_audit.api import audit_targets
from ppo_audit.errors import UsageError
from ppo_audit.findings import Report, Status
from ppo_audit.settings import Settings
from ppo_audit.waivers.apply import waive
from ppo_audit.waivers.baseline import entries_in, renewed, text_of, waivers_in
from ppo_audit.waivers.inline import extent, inline_waivers
from ppo_audit.waivers.waiver import Waiver

SCHEMA = Path(__file__).parents[2] / ".." / "shared" / "design" / "report.schema.json"
TODAY = datetime.date(2026, 11, 21)
LOSS = """import torch


def loss(log_prob, old_log_prob, advantages, clip_range=0.2):
    {above}
    ratio = (log_prob - old_log_prob).exp(){beside}
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages).mean()
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec() -> str:
    """By its whole path: what is remembered of a file is remembered by name, and every test has a `losses.py`."""
    return f"{Path('losses.py').resolve()}:loss"


def audited(above: str = "pass", beside: str = "", select: str = "PPO101 PPO102", **options: object) -> Report:
    Path("losses.py").write_text(LOSS.format(above=above, beside=beside), encoding="utf-8")
    return audit_targets([spec()], Settings(select=tuple(select.split()), **options))


def states(report: Report) -> list[tuple[str, str]]:
    return [(each.rule, each.state) for target in report.targets for each in target.stale_waivers]


class TestComments:
    @pytest.mark.parametrize(
        "comment",
        [
            "# ppo-audit: ignore[PPO101] bounded upstream",
            "#ppo-audit:ignore[ppo101]: bounded upstream",
            "# ppo-audit: ignore[PPO207, PPO101] - bounded upstream",
        ],
    )
    @pytest.mark.parametrize("place", ["above", "beside"])
    def test_a_comment_on_the_line_or_directly_above_it_waives(self, comment: str, place: str):
        report = audited(**{place: comment if place == "above" else f"  {comment}"})
        assert report.exit_code == 0
        assert report.findings[0].waiver.startswith("bounded upstream (losses.py:")
        assert report.targets[0].outcomes[0].status is Status.WAIVED
        assert report.summary["waived"] == 1

    def test_without_a_comment_it_fails(self):
        assert audited().exit_code == 1

    @pytest.mark.parametrize(
        ("comment", "state"),
        [
            ("# ppo-audit: ignore[PPO101]", ("PPO101", "incomplete")),
            ("# ppo-audit: ignore bounded upstream", ("", "incomplete")),
            ("# ppo-audit: ignore[PPO1010] bounded upstream", ("PPO1010", "unknown")),
        ],
    )
    def test_one_that_lacks_something_waives_nothing_and_is_told(self, comment: str, state: tuple[str, str]):
        report = audited(beside=f"  {comment}")
        assert report.exit_code == 1
        assert states(report) == [state]

    def test_one_whose_rule_passes_is_told(self):
        assert states(audited(beside="  # ppo-audit: ignore[PPO102] why not")) == [("PPO102", "unused")]

    def test_one_at_another_line_is_told(self):
        report = audited()
        text = Path("losses.py").read_text().replace(".mean()", ".mean()  # ppo-audit: ignore[PPO101] here")
        Path("losses.py").write_text(text)
        report = audit_targets([spec()], Settings(select=("PPO101",)))
        assert (report.exit_code, states(report)) == (1, [("PPO101", "unused")])

    def test_one_of_a_rule_that_was_not_selected_is_left_in_peace(self):
        assert states(audited(beside="  # ppo-audit: ignore[PPO102] why not", select="PPO103")) == []

    def test_one_of_another_function_is_left_in_peace(self):
        text = LOSS.format(above="pass", beside="") + "\n\ndef other():\n    return 1  # ppo-audit: ignore[PPO102] x\n"
        Path("losses.py").write_text(text)
        assert states(audit_targets([spec()], Settings(select=("PPO102",)))) == []

    def test_text_in_a_string_is_no_comment(self, here):
        (here / "a.py").write_text('x = "# ppo-audit: ignore[PPO101] no"\n')
        assert inline_waivers("a.py") == []

    @pytest.mark.parametrize("text", ["def f(:\n", "'''", "\x00", "x = 1\n\ty = 2\n  z"])
    def test_what_is_no_python_has_none(self, here, text: str):
        (here / "a.py").write_text(text)
        assert inline_waivers("a.py") == []
        assert extent("a.py", 1) == range(0)


def test_strictness_fails_where_a_waiver_waives_nothing():
    comment = "  # ppo-audit: ignore[PPO102] why not"
    assert audited(beside=comment, select="PPO102").exit_code == 0
    strict = audited(beside=comment, select="PPO102", strict_waivers=True)
    assert strict.exit_code == 1
    assert "a waiver waives nothing (--strict-waivers)" in reports.verdict(strict)


class TestConfigured:
    def waived(self, **fields: object) -> Report:
        return audited(waivers=(Waiver("PPO101", "known", "ppo-audit.toml", **fields),))

    def test_it_waives_on_its_last_day(self):
        assert self.waived(expires=datetime.date.today()).exit_code == 0

    def test_the_day_after_it_waives_no_more_and_is_told(self):
        report = self.waived(expires=datetime.date.today() - datetime.timedelta(1))
        assert (report.exit_code, states(report)) == (1, [("PPO101", "expired")])

    def test_another_target_is_not_its_business(self):
        assert self.waived(target="other.py:loss").exit_code == 1

    def test_a_common_one_that_serves_one_target_is_not_unused_in_the_others(self):
        (entry,) = audited().targets
        passing = dataclasses.replace(
            entry,
            target="b.py:loss",
            findings=(),
            outcomes=tuple(dataclasses.replace(each, status=Status.PASSED) for each in entry.outcomes),
        )
        settings = Settings(waivers=(Waiver("PPO101", "known", "ppo-audit.toml"),))
        done = waive([passing, entry], settings, TODAY)
        assert [each.stale_waivers for each in done] == [(), ()]

    def test_what_could_not_be_judged_keeps_its_exit_code(self):
        (entry,) = audited().targets
        for code in (2, 3, 4, 5):
            (done,) = waive([dataclasses.replace(entry, exit_code=code)], Settings(), TODAY)
            assert done.exit_code == code


class TestBaseline:
    def written(self, report: Report, before: list | None = None, expires: datetime.date | None = None) -> list:
        return renewed(before or [], report, "known", expires, TODAY)

    def test_what_is_written_waives_what_was_found(self, here):
        (here / "known.json").write_text(text_of(self.written(audited())))
        report = audited(waivers=waivers_in(Path("known.json")))
        assert report.exit_code == 0
        assert report.findings[0].waiver == "known (known.json, first seen 2026-11-21)"

    def test_it_survives_a_shift_of_lines(self, here):
        (here / "known.json").write_text(text_of(self.written(audited())))
        assert audited(above="pass\n\n    pass", waivers=waivers_in(Path("known.json"))).exit_code == 0

    def test_a_cured_finding_leaves_an_unused_entry(self, here):
        (here / "known.json").write_text(text_of(self.written(audited())))
        Path("losses.py").write_text(LOSS.format(above="pass", beside="").replace(".exp()", ".clamp(-9, 9).exp()"))
        cured = audit_targets([spec()], Settings(select=("PPO101",), waivers=waivers_in(Path("known.json"))))
        assert (cured.exit_code, states(cured)) == (0, [("PPO101", "unused")])
        assert self.written(cured, entries_in(Path("known.json"))) == []

    def test_what_is_known_keeps_its_date_and_reason(self):
        report = audited()
        (entry,) = self.written(report)
        old = {**entry, "first_seen": "2025-01-01", "reason": "older"}
        assert self.written(report, [old]) == [old]

    def test_an_expired_entry_is_written_anew(self):
        report = audited()
        (entry,) = self.written(report)
        (renewal,) = self.written(report, [{**entry, "expires": "2026-01-01"}], datetime.date(2027, 1, 1))
        assert (renewal["first_seen"], renewal["expires"]) == ("2026-11-21", "2027-01-01")

    def test_entries_of_what_was_not_judged_stay(self):
        (entry,) = self.written(audited())
        others = [{**entry, "target": "b.py:loss"}, {**entry, "rule": "PPO207", "fingerprint": "f" * 16}]
        assert len(self.written(audited(), others)) == 3

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is no baseline"),
            ("[]", "expected a JSON object with `schema`"),
            ('{"schema": "ppo-audit-baseline/1", "waivers": 3}', "expected a list under `waivers`"),
            ('{"schema": "ppo-audit-baseline/1", "waivers": [{}]}', "waiver 1: `fingerprint` is missing or empty"),
        ],
    )
    def test_what_is_no_baseline_is_refused(self, here, text: str, message: str):
        (here / "known.json").write_text(text)
        with pytest.raises(UsageError, match=message):
            waivers_in(Path("known.json"))

    @pytest.mark.parametrize(("key", "value"), [("reason", " "), ("expires", "soon"), ("first_seen", "2026-13-01")])
    def test_an_entry_needs_a_reason_and_dates(self, here, key: str, value: str):
        (entry,) = self.written(audited())
        (here / "known.json").write_text(text_of([{**entry, key: value}]))
        with pytest.raises(UsageError, match=f"waiver 1: `{key}`"):
            waivers_in(Path("known.json"))


class TestCommand:
    def run(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as stop:
            cli.main(["check", "losses.py:loss", "--select", "PPO101", *arguments])
        return int(stop.value.code or 0)

    @pytest.fixture(autouse=True)
    def loss(self, here) -> None:
        (here / "losses.py").write_text(LOSS.format(above="pass", beside=""))

    def test_a_baseline_is_written_and_then_known(self, capsys):
        assert self.run("--write-baseline", "known.json", "--reason", "since 2019") == 0
        assert self.run("--baseline", "known.json") == 0
        assert "Since 2019" in " ".join(capsys.readouterr().out.split())
        assert self.run() == 1

    def test_a_baseline_of_the_configuration_is_known(self, here):
        assert self.run("--write-baseline", "known.json", "--reason", "since 2019") == 0
        (here / "ppo-audit.toml").write_text('baseline = "known.json"\ntargets."losses.py:loss".seed = 1')
        assert self.run() == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--write-baseline", "known.json"], "--reason is missing"),
            (["--reason", "x"], "belong to --write-baseline"),
            (["--write-baseline", "k.json", "--reason", "x", "--expires", "soon"], "`soon` is no date"),
            (["--baseline", "none.json"], "`none.json` does not exist"),
        ],
    )
    def test_what_is_missing_is_said(self, options: list[str], message: str, capsys):
        assert self.run(*options) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["terminal", "markdown", "json"])
def test_every_format_shows_what_is_waived_and_what_waives_nothing(name: str):
    report = audited(beside="  # ppo-audit: ignore[PPO101, PPO102] bounded upstream")
    text = reports.render(report, name)
    assert "bounded upstream" in text.lower()
    assert "unused" in text


def test_the_report_for_machines_keeps_to_the_schema():
    report = audited(beside="  # ppo-audit: ignore[PPO101, PPO102] bounded upstream")
    jsonschema.validate(json.loads(reports.render(report, "json")), json.loads(SCHEMA.read_text()))
