"""Arrows between the folders point one way, functions stay short, and no bare name gets in the users' way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ppo_audit
from tests.shape import body_lines, functions, imports, parameters

ROOT = Path(__file__).parents[1]
FOLDERS = ("ppo_audit", "reference", "checks", "reports")
COMMANDS = ROOT / "ppo_audit" / "commands"
EDGE = (
    *COMMANDS.glob("*.py"),
    ROOT / "ppo_audit" / "cli.py",
    ROOT / "ppo_audit" / "__main__.py",
    ROOT / "ppo_audit" / "pytest_plugin.py",
)
LONGEST_BODY = 50
MOST_PARAMETERS = 6

STDLIB = tuple(sys.stdlib_module_names)
PUBLIC = tuple(f"ppo_audit.{name}" for name in ppo_audit.__all__)
ALLOWED = {
    "checks": (*STDLIB, *PUBLIC, "ppo_audit.probes", "ppo_audit.reference", "torch"),
    "reports": (*STDLIB, "ppo_audit.findings", "ppo_audit.reports", "rich", "jinja2", "markupsafe", "junitparser"),
}

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
for name in ("ppo_audit", "ppo_audit.reference", "ppo_audit.checks", "ppo_audit.reports"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f"{name}."):
        importlib.import_module(module.name)
print(sorted({"checks", "reports", "reference"} & set(sys.modules)))
"""


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def begins(module: str, packages: tuple[str, ...]) -> bool:
    """Whether the module is one of the packages or lies in one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def is_exempt(path: Path) -> bool:
    """Commands have an option a parameter, papers a symbol a parameter, and the bundled example is a user's code."""
    parts = path.relative_to(ROOT).parts
    return path in EDGE or parts[0] == "reference" or "demo" in parts


@pytest.mark.parametrize("path", sources(*ALLOWED), ids=name_of)
def test_a_folder_imports_only_what_it_may(path: Path):
    allowed = ALLOWED[path.relative_to(ROOT).parts[0]]
    assert [module for module in imports(tree_of(path)) if not begins(module, allowed)] == []


@pytest.mark.parametrize("path", sources("reference"), ids=name_of)
def test_the_oracle_knows_nothing_of_the_tool(path: Path):
    tool = [module for module in imports(tree_of(path)) if begins(module, ("ppo_audit",))]
    assert [module for module in tool if not begins(module, ("ppo_audit.reference",))] == []


@pytest.mark.parametrize("path", [path for path in sources("ppo_audit") if path not in EDGE], ids=name_of)
def test_the_engine_knows_neither_the_reports_nor_the_command_line(path: Path):
    unwanted = ("ppo_audit.reports", "ppo_audit.cli", "ppo_audit.commands")
    assert [module for module in imports(tree_of(path)) if begins(module, unwanted)] == []


@pytest.mark.parametrize("path", sources(*FOLDERS), ids=name_of)
def test_functions_are_short(path: Path):
    sizes = {node.name: body_lines(node) for node in functions(tree_of(path))}
    assert {name: size for name, size in sizes.items() if size > LONGEST_BODY} == {}


@pytest.mark.parametrize("path", [path for path in sources(*FOLDERS) if not is_exempt(path)], ids=name_of)
def test_functions_take_few_parameters(path: Path):
    counts = {node.name: parameters(node) for node in functions(tree_of(path))}
    assert {name: count for name, count in counts.items() if count > MOST_PARAMETERS} == {}


def test_no_bare_name_is_imported_even_from_the_root():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "[]\n", done.stderr


def test_no_bare_name_is_imported_by_the_tests():
    assert {"checks", "reports", "reference"}.isdisjoint(sys.modules)
