"""What a rule is, and the catalogue of rules, readable without importing one.

A rule is a file below `checks/`: a docstring under fixed headings, a literal `RULE = Rule(...)`, and a function
`check(subject) -> Violation | None`. `catalogue()` reads docstring and literal from the syntax tree, so listing and
explaining rules imports neither torch nor the rule; `load_check` imports it when it is to run.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.metadata
import importlib.util
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ppo_audit.errors import UsageError
from ppo_audit.findings import Severity

BUILT_IN = "ppo_audit.checks"
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
    def references(self) -> tuple[str, ...]:
        """The citations of "Why": arXiv numbers and pinned code."""
        return tuple(dict.fromkeys(re.findall(r"arXiv:\d{4}\.\d{5}|https?://\S+[^\s.,)]", self.text)))


@functools.cache
def catalogue(paths: tuple[str, ...] = ()) -> Mapping[str, Page]:
    """Every rule by code, in order of code: built-in ones, those of installed packages, and those at `paths`.

    A package offers rules by the entry-point group `ppo_audit.rules`, which names a package of rule files.
    """
    pages = (*_installed(), *_pages(map(Path, paths)))
    return {page.rule.code: page for page in sorted(pages, key=lambda page: page.rule.code)}


@functools.cache
def _installed() -> tuple[Page, ...]:
    offered = [entry.value for entry in importlib.metadata.entry_points(group="ppo_audit.rules")]
    packages = [importlib.util.find_spec(name) for name in (BUILT_IN, *offered)]
    return _pages(Path(place) for found in packages if found for place in found.submodule_search_locations or ())


def _pages(places: Iterable[Path]) -> tuple[Page, ...]:
    return tuple(read_page(path) for place in places for path in _rule_files(place))


def _rule_files(place: Path) -> Iterator[Path]:
    """The rule files at a place: the file itself, or what a folder holds that defines a `RULE`."""
    if not place.exists():
        raise UsageError(f"--rules: `{place}` does not exist; expected a rule file or a folder of them.")
    for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
        if path.stem != "__init__" and "\nRULE = Rule(" in _text(path):
            yield path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--rules: `{path}` cannot be read: {error}.") from error


def read_page(path: Path) -> Page:
    """The page of one rule file, from its syntax tree."""
    try:
        tree = ast.parse(_text(path))
        rule = _literal_rule(tree)
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise UsageError(f"--rules: `{path}` is no rule file: {error}; `ppo-audit new-rule` writes one.") from error
    text = ast.get_docstring(tree) or ""
    title, _, body = text.partition("\n")
    return Page(rule, title.strip(), _sections(body), text, path)


def load_check(page: Page) -> Callable[[Any], Any]:
    """The `check` function of a rule; importing it is what costs."""
    check: Callable[[Any], Any] = module_of(page).check
    return check


def module_of(page: Page) -> ModuleType:
    """The module of a rule: one of ours by name, anybody else's from where it lies."""
    root = Path(importlib.import_module(BUILT_IN).__path__[0])
    if page.path.is_relative_to(root):
        return importlib.import_module(f"{BUILT_IN}.{page.path.parent.name}.{page.path.stem}")
    return _module_at(page.path)


@functools.cache
def _module_at(path: Path) -> ModuleType:
    """A rule file of somebody else's, imported from where it lies."""
    found = importlib.util.spec_from_file_location(f"ppo_audit_rule_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _literal_rule(tree: ast.Module) -> Rule:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RULE" and isinstance(node.value, ast.Call):
            rule = Rule(**{keyword.arg or "": _value(keyword.value) for keyword in node.value.keywords})
            _expect_types(rule)
            return rule
    raise ValueError("it defines no literal `RULE = Rule(...)` with keyword arguments")


def _expect_types(rule: Rule) -> None:
    """Refuse what would fail much later, such as a code that is a number."""
    texts: list[Any] = [
        rule.code,
        rule.name,
        rule.family,
        rule.prevalence or "",
        *rule.needs,
        *rule.must_flag,
        *rule.kinds,
    ]
    wrong = [each for each in texts if not isinstance(each, str)]
    if wrong or not isinstance(rule.severity, Severity):
        raise TypeError(f"expected text, got {wrong[0]!r}" if wrong else f"its severity is {rule.severity!r}")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Attribute):
        return Severity[node.attr]
    return ast.literal_eval(node)


def _sections(body: str) -> dict[str, str]:
    pattern = re.compile(rf"^({'|'.join(HEADINGS)})\.\s+", re.MULTILINE)
    parts = pattern.split(body)
    return {heading: text.strip("\n").rstrip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
