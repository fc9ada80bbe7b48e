"""`docs/rules/` says what `explain` says."""

from pathlib import Path

from ppo_audit.rule_pages import pages

FOLDER = Path(__file__).parent.parent / "docs" / "rules"


def test_the_pages_are_those_of_the_rules_as_they_are_now():
    written = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    assert written == dict(pages()), "run `make docs`"
