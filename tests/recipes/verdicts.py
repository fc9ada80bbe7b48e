"""What is kept of a verdict on a library, and the library's own statements executed on numbers chosen by hand."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from ppo_audit import Report
from ppo_audit.findings import Finding
from ppo_audit.recipes import RECIPES


def verdict(report: Report) -> str:
    """Version, exit code, findings at their lines, roles with the reason of each, and what was measured."""
    (target,) = report.targets
    distribution = RECIPES[target.target].distribution
    lines = [
        f"{target.target} of {distribution} {version(distribution)}: exit code {report.exit_code}",
        *(f"error: {target.error}" for _ in range(target.error is not None)),
        *(
            f"{outcome.status} {outcome.rule}: {outcome.reason}"
            for outcome in target.outcomes
            if outcome.status == "errored"
        ),
        "",
        *(line for finding in target.findings for line in _finding(finding)),
        *(f"{role}: {reason}" for role, reason in sorted(target.roles.items())),
        "",
        *(f"{name}: {value}" for name, value in sorted(target.profile.items()) if name in MEASURED),
    ]
    return "\n".join(lines) + "\n"


MEASURED = frozenset(("variant", "reduction", "clip_range", "dual_clip", "normalisation", "terms")) | {
    f"{term}_coefficient" for term in ("value", "entropy", "kl")
}


def _finding(finding: Finding) -> Iterator[str]:
    variant = f" ({finding.variant})" if finding.variant else ""
    yield f"{finding.severity.label} {finding.rule} {finding.name}{variant}"
    yield f"  {finding.message}"
    if finding.location:
        yield f"  {_inside_the_library(finding.location.file)}:{finding.location.line}: {finding.location.code.strip()}"
    yield ""


def _inside_the_library(file: str) -> str:
    return file.rpartition("site-packages/")[2]


def needs(spec: str) -> pytest.MarkDecorator:
    """Skips the tests of a trainer whose library is not installed."""
    library = spec.partition(":")[0].partition(".")[0]
    reason = f"{RECIPES[spec].distribution} is not installed"
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=reason)


def called(module: str, statement: str, **names: Any) -> dict[str, Any]:
    """The library's own first assignment that begins with these words, executed on `names`; all names after it."""
    file = importlib.util.find_spec(module).origin
    source = Path(file).read_text(encoding="utf-8")
    assignments = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)]
    found = next(node for node in assignments if ast.get_source_segment(source, node).startswith(statement))
    space = {"torch": torch, "th": torch, **names}
    exec(compile(ast.Module([found], type_ignores=[]), file, "exec"), space)
    return space
