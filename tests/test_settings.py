"""What the options of the command line mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppo_audit import settings
from ppo_audit.errors import UsageError
from ppo_audit.findings import Severity
from ppo_audit.rules import Page, Rule
from ppo_audit.settings import Settings, command_for, parse_value, role_pairs, rule_codes, value_pairs


def page(code: str, name: str) -> Page:
    return Page(Rule(code, name, "ratio", Severity.SERIOUS), "Title.", {}, "Title.", Path("x.py"))


@pytest.fixture(autouse=True)
def three_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [page("PPO101", "ratio-overflow"), page("PPO102", "clip-stops-gains"), page("PPO201", "keeps-signs")]
    monkeypatch.setattr(settings, "catalogue", lambda paths=(): {each.rule.code: each for each in pages})


class TestRuleCodes:
    @pytest.mark.parametrize(
        ("patterns", "codes"),
        [
            ([], ()),
            (["PPO101"], ("PPO101",)),
            (["ppo1"], ("PPO101", "PPO102")),
            (["keeps-signs"], ("PPO201",)),
            (["PPO201, PPO101", "PPO1"], ("PPO101", "PPO102", "PPO201")),
        ],
    )
    def test_codes_prefixes_names_and_lists(self, patterns: list[str], codes: tuple[str, ...]):
        assert rule_codes(patterns) == codes

    def test_an_unknown_one_names_the_closest(self):
        with pytest.raises(
            UsageError, match=r"--ignore: `ratio-overflw` is no rule; .* Did you mean `ratio-overflow`\?"
        ):
            rule_codes(["ratio-overflw"], "--ignore")

    @pytest.mark.parametrize("nothing", ["", " , "])
    def test_nothing_is_not_everything(self, nothing: str):
        with pytest.raises(UsageError, match="--select: no rule is named"):
            rule_codes([nothing])


def test_to_ignore_wins_over_to_select():
    chosen = Settings(select=("PPO101", "PPO102"), ignore=("PPO102",))
    assert [chosen.selects(code) for code in ("PPO101", "PPO102", "PPO201")] == [True, False, False]


def test_an_empty_selection_is_everything():
    assert Settings().selects("PPO101")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", 0.1), ("1e-8", 1e-8), ("3", 3), ("True", True), ("false", False), ("none", None), ("tanh", "tanh")],
)
def test_values_are_parsed(text: str, value: object):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_pairs():
    assert role_pairs(["old_log_prob=lp_prev"]) == (("old_log_prob", "lp_prev"),)
    assert value_pairs(["clip_range = 0.1", "name=a=b"]) == (("clip_range", 0.1), ("name", "a=b"))


@pytest.mark.parametrize("item", ["x", "x=", "=x", "="])
def test_what_is_no_pair_is_refused(item: str):
    with pytest.raises(UsageError, match=f"--set: `{item}` is no pair; expected name=value"):
        value_pairs([item])


def test_the_command_repeats_what_shapes_the_measurement():
    chosen = Settings(
        select=("PPO101",), roles=(("mask", "m"),), values=(("dtype", "a b"),), seed=3, script_args=("--steps", "8")
    )
    assert (
        command_for("train.py", chosen)
        == "ppo-audit check train.py --role=mask=m '--set=dtype=a b' --seed=3 -- --steps 8"
    )


def test_the_command_of_default_settings_is_short():
    assert command_for("pkg:loss", Settings()) == "ppo-audit check pkg:loss"
