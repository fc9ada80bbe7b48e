"""The form of every rule file, and its agreement with the catalogue that is fixed in `shared/design/rules.md`."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from ppo_audit.rules import HEADINGS, Page, catalogue, module_of
from tests.shape import body_lines, functions

FIXED = Path(__file__).parents[2] / "shared" / "design" / "rules.md"
ROW = re.compile(r"^\| (PPO\d{3})\*? \| ([a-z0-9-]+)[^|]* \|.* \| (critical|serious|potential)?[^|]* \|$", re.M)
CITATION = re.compile(r"arXiv:\d{4}\.\d{5}|https://github\.com/\S+/blob/[0-9a-f]{7,40}/\S+")
LONGEST_FILE = 100
LONGEST_BODY = 25

FAMILIES = (
    ("PPO008 PPO904", "gradient-flow"),
    ("PPO0", "target"),
    ("PPO101 PPO104 PPO105 PPO109 PPO111 PPO113", "ratio"),
    ("PPO1", "clip"),
    ("PPO2", "advantages"),
    ("PPO3", "value"),
    ("PPO40", "entropy"),
    ("PPO41", "kl"),
    ("PPO501 PPO502 PPO503 PPO511", "mask"),
    ("PPO504 PPO505 PPO506 PPO510", "reduction"),
    ("PPO5", "shape"),
    ("PPO6", "returns"),
    ("PPO7", "precision"),
    ("PPO8", "groups"),
    ("PPO9", "trainer"),
)
"""Beginnings of codes and their family, the exceptions first: the last paragraph of `rules.md`."""

every_rule = pytest.mark.parametrize("page", [pytest.param(page, id=code) for code, page in catalogue().items()])


def fixed_rules() -> dict[str, tuple[str, str]]:
    """Code -> name and default severity (empty where the table names none)."""
    return {code: (name, severity) for code, name, severity in ROW.findall(FIXED.read_text(encoding="utf-8"))}


def family_of(code: str) -> str:
    return next(family for beginnings, family in FAMILIES if code.startswith(tuple(beginnings.split())))


def test_the_fixed_catalogue_is_read():
    rules = fixed_rules()
    assert len(rules) > 80
    assert rules["PPO412"] == ("kl-estimates-the-kl", "serious")
    assert rules["PPO908"] == ("buffer-returns", "")


def test_codes_and_names_are_unique():
    paths = Path(importlib.import_module("ppo_audit.checks").__path__[0]).glob("*/*.py")
    assert len(catalogue()) == sum(path.stem != "__init__" for path in paths)
    assert len({page.rule.name for page in catalogue().values()}) == len(catalogue())


@every_rule
class TestIdentity:
    def test_code_name_and_severity_are_the_fixed_ones(self, page: Page):
        name, severity = fixed_rules()[page.rule.code]
        assert page.rule.name == name
        assert page.rule.severity.label == severity or not severity

    def test_the_family_follows_from_the_code(self, page: Page):
        assert page.rule.family == family_of(page.rule.code)

    def test_the_file_is_named_after_the_rule_and_lies_in_its_family(self, page: Page):
        assert page.path.stem == page.rule.name.replace("-", "_")
        assert page.path.parent.name == page.rule.family.replace("-", "_")

    def test_the_literal_rule_is_the_imported_one(self, page: Page):
        assert page.rule == module_of(page).RULE


@every_rule
class TestPage:
    def test_the_title_is_one_sentence(self, page: Page):
        assert page.title.endswith(".")
        assert len(page.title) <= 120

    def test_all_headings_are_there_in_order(self, page: Page):
        assert tuple(page.sections) == HEADINGS
        assert all(text.strip() for text in page.sections.values())

    def test_the_severity_section_begins_with_the_level(self, page: Page):
        assert re.split(r"\W", page.sections["Severity"])[0].lower() == page.rule.severity.label

    def test_it_cites_a_paper_or_pinned_code(self, page: Page):
        assert CITATION.search(page.text)


@every_rule
class TestSize:
    def test_the_file_fits_on_two_screens(self, page: Page):
        assert len(page.path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE

    def test_functions_are_short(self, page: Page):
        tree = ast.parse(page.path.read_text(encoding="utf-8"))
        assert {node.name: body_lines(node) for node in functions(tree) if body_lines(node) > LONGEST_BODY} == {}
