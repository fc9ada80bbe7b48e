"""A finding as a pytest file of its own: it carries the modules that measure its rule, and needs no ppo-audit.

What is carried are the sources that `api` and the rule import, followed through their syntax trees, so that the file
judges a changed target exactly as `ppo-audit replay` would, for rules of every kind. It runs them in a fresh process.
"""

from __future__ import annotations

import ast
import base64
import importlib.metadata
import importlib.util
import json
import lzma
import pkgutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import ppo_audit
from ppo_audit import recipes
from ppo_audit.rules import BUILT_IN, Page
from ppo_audit.settings import Settings

ROOT = "ppo_audit"
NOT_CARRIED = ("ppo_audit.pytest_plugin", "ppo_audit.corpus", "ppo_audit.demo")
OF_THE_MEASUREMENT = (
    "roles", "values", "inputs", "device", "seed", "script_args", "thresholds", "tolerances",
)  # fmt: skip
WIDTH = 110

TEST = '''\
"""{title}

{story}

Made by `ppo-audit replay {fingerprint} --export`, version {version}. It needs torch, numpy and pytest; what measures
the rule is packed at the end. It passes once the rule passes, and fails while it is flagged or cannot be run.
"""

import base64
import json
import lzma
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = {target!r}
RULE = {rule!r}
OPTIONS = {options!r}
FOLDER = Path(__file__).resolve().parent / {folder!r}


def test_{function}():
    with tempfile.TemporaryDirectory() as place:
        for name, text in json.loads(lzma.decompress(base64.b85decode("".join(PACKED.split())))).items():
            path = Path(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ppo_audit.carried", TARGET, RULE, OPTIONS],
            cwd=FOLDER,
            env={{**os.environ, "PYTHONPATH": os.pathsep.join([place, os.environ.get("PYTHONPATH", "")])}},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr


PACKED = r"""
{packed}
"""
'''


@dataclass(frozen=True)
class Exported:
    """What the file is about: one finding of a stored report, and how its target was called."""

    target: str
    finding: Mapping[str, Any]
    settings: Settings
    page: Page


def test_file(about: Exported, folder: str) -> str:
    """The text of the file; `folder` is where the target is called from, as seen from the file."""
    finding = about.finding
    packed = base64.b85encode(_archive(about.page)).decode()
    return TEST.format(
        title=_harmless(f"{finding['rule']} {finding['name']} holds for {about.target}."),
        story=_harmless("\n\n".join(_story(finding))),
        fingerprint=_harmless(str(finding["fingerprint"])),
        version=importlib.metadata.version("ppo-audit"),
        target=about.target,
        rule=about.page.rule.code,
        options=json.dumps(_options(about.settings)),
        folder=folder,
        function=about.page.rule.name.replace("-", "_"),
        packed="\n".join(packed[start : start + WIDTH] for start in range(0, len(packed), WIDTH)),
    )


def _story(finding: Mapping[str, Any]) -> Iterator[str]:
    """What was wrong when the file was made."""
    place = finding.get("location") or {}
    where = f" ({place.get('file')}:{place.get('line')})" if place else ""
    yield textwrap.fill(f"Found: {finding.get('message')}{where}", WIDTH)
    if finding.get("counterexample"):
        yield textwrap.fill(f"Smallest case: {finding['counterexample']}", WIDTH)
    if finding.get("why"):
        yield textwrap.fill(f"Why: {finding['why']}", WIDTH)
    if finding.get("fix"):
        yield textwrap.fill(f"Cure: {finding['fix'].get('text')}", WIDTH)


def _harmless(text: str) -> str:
    """Text that cannot end the docstring that it stands in."""
    return text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"""', "'''").replace("\0", "")


def _options(settings: Settings) -> dict[str, Any]:
    """What differs from the defaults of all that a measurement depends on."""
    known = {each.name: getattr(settings, each.name) for each in fields(Settings) if each.name in OF_THE_MEASUREMENT}
    return {name: value for name, value in known.items() if value != getattr(Settings(), name)}


def _archive(page: Page) -> bytes:
    """The modules that the rule needs, and the rule, by path; the same bytes each time."""
    text = {
        f"{name.replace('.', '/')}{suffix}": path.read_text(encoding="utf-8") for name, suffix, path in _carried(page)
    }
    version = importlib.metadata.version("ppo-audit")
    text[f"ppo_audit-{version}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: ppo-audit\nVersion: {version}\n"
    return lzma.compress(json.dumps(text, sort_keys=True).encode())


def _carried(page: Page) -> Iterator[tuple[str, str, Path]]:
    """Name, suffix and place of every source that `api` and the rule lead to; the rule is the only one of its kind."""
    own = f"{BUILT_IN}.carried.{page.path.stem}"
    yield own, ".py", page.path
    yield f"{BUILT_IN}.carried", "/__init__.py", _source(BUILT_IN)
    public = [f"{ROOT}.{home}" for home in ppo_audit._HOMES.values()]
    offered = [f"{recipes.__name__}.{each.name}" for each in pkgutil.iter_modules(recipes.__path__)]
    waiting, seen = [f"{ROOT}.carried", BUILT_IN, *public, *offered, *_imports(page.path, own)], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith(NOT_CARRIED):
            continue
        seen.add(name)
        path = _source(name)
        yield name, "/__init__.py" if path.name == "__init__.py" else ".py", path
        waiting += [name.rpartition(".")[0], *_imports(path, name)] if "." in name else _imports(path, name)


def _imports(path: Path, name: str) -> list[str]:
    """The modules of ours that a source imports, at its top or in its functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [each for each in found if each.split(".")[0] == ROOT and _source_or_none(each) is not None]


def _source(name: str) -> Path:
    path = _source_or_none(name)
    assert path is not None, name
    return path


def _source_or_none(name: str) -> Path | None:
    """Where a module lies; None where the name is no module but something in one."""
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(found.origin) if found and found.origin and found.origin.endswith(".py") else None
