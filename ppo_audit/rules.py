"""What a rule is, and the catalogue of rules, readable without importing one.

A rule is a file below `checks/`: a docstring under fixed headings, a literal `RULE = Rule(...)`, and a function
`check(subject) -> Violation | None`. `catalogue()` reads docstring and literal from the syntax tree, so listing and
explaining rules imports neither torch nor the rule; `load_check` imports it when it is to run.
"""

from __future__ import annotations

import ast
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppo_audit.findings import Severity

HEADINGS = ("Property", "Why", "Applies", "Tested", "Severity", "Fix")


@dataclass(frozen=True)
class Rule:
    """Identity of one property. `needs` are what the subject must claim or be given, else the rule is skipped."""

    code: str
    name: str
    family: str
    severity: Severity
    needs: tuple[str, ...] = ()
    must_flag: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("loss", "trainer")
    prevalence: str | None = None


@dataclass(frozen=True)
class Page:
    """A rule and its documentation, as read from the file."""

    rule: Rule
    title: str
    sections: Mapping[str, str]
    text: str
    path: Path

    @property
    def module(self) -> str:
        return f"ppo_audit.checks.{self.path.parent.name}.{self.path.stem}"

    @property
    def references(self) -> tuple[str, ...]:
        """The citations of "Why": arXiv numbers and pinned code."""
        return tuple(dict.fromkeys(re.findall(r"arXiv:\d{4}\.\d{5}|https?://\S+[^\s.,)]", self.text)))


@functools.cache
def catalogue() -> Mapping[str, Page]:
    """Every built-in rule by code, in order of code."""
    root = Path(importlib.import_module("ppo_audit.checks").__path__[0])
    pages = (read_page(path) for path in root.glob("*/*.py") if path.stem != "__init__")
    return {page.rule.code: page for page in sorted(pages, key=lambda page: page.rule.code)}


def read_page(path: Path) -> Page:
    """The page of one rule file, from its syntax tree."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    title, _, body = text.partition("\n")
    return Page(_literal_rule(tree, path), title.strip(), _sections(body), text, path)


def load_check(page: Page) -> Callable[[Any], Any]:
    """The `check` function of a rule; importing it is what costs."""
    check: Callable[[Any], Any] = importlib.import_module(page.module).check
    return check


def _literal_rule(tree: ast.Module, path: Path) -> Rule:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULE" and isinstance(node.value, ast.Call):
            return Rule(**{keyword.arg or "": _value(keyword.value) for keyword in node.value.keywords})
    raise ValueError(f"`{path}` defines no literal `RULE = Rule(...)` with keyword arguments")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Attribute):
        return Severity[node.attr]
    return ast.literal_eval(node)


def _sections(body: str) -> dict[str, str]:
    pattern = re.compile(rf"^({'|'.join(HEADINGS)})\.\s+", re.MULTILINE)
    parts = pattern.split(body)
    return {heading: text.strip("\n").rstrip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
