"""`ppo-audit rules` and `explain`: the rules and their pages."""

from __future__ import annotations

import enum
import json
from typing import Annotated

import typer

from ppo_audit.errors import UsageError
from ppo_audit.rules import Page, catalogue
from ppo_audit.settings import no_such_rule


class RulesFormat(enum.StrEnum):
    """How the list of rules is written."""

    TERMINAL = "terminal"
    JSON = "json"


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


def explain(rule: Annotated[str, typer.Argument(help="Code or name of a rule.", metavar="CODE_OR_NAME")]) -> None:
    """Show the page of a rule: property, reason, limits, method, severity and cure."""
    page = _find_page(rule)
    print(f"{page.rule.code} {page.rule.name} ({page.rule.severity.label}, {page.rule.family})\n\n{page.text}")


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
