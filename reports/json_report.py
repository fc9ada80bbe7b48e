"""The report for machines: `report.schema.json`, strictly, with the keys of the finding model."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from typing import Any

from ppo_audit.findings import Outcome, Report, TargetReport
from ppo_audit.reports._digest import most_severe_first

KINDS = frozenset("loss advantages returns kl entropy log_prob trainer".split())
"""What the contract has words for; `helper` names the others."""


def render(report: Report) -> str:
    """The report as JSON text; numbers that JSON does not know are strings."""
    document = {
        "schema": "ppo-audit/1",
        "tool": {"name": "ppo-audit", "version": report.version},
        "date": report.date,
        "command": report.command,
        "fail_on": report.fail_on.label if report.fail_on is not None else "never",
        "targets": [_target(target) for target in report.targets],
        "summary": report.summary,
        "exit_code": report.exit_code,
    }
    return json.dumps(plain(document), indent=2, allow_nan=False) + "\n"


def plain(value: object) -> object:
    """The value in JSON's own types: NaN and infinities become the strings `NaN`, `Infinity`, `-Infinity`."""
    if isinstance(value, enum.Enum):
        return value.name.lower()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _wellformed(value)
    if isinstance(value, float):
        return _float(float(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(_fields(value))
    if isinstance(value, Mapping):
        return {_wellformed(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    return _wellformed(str(value))


def _wellformed(text: str) -> str:
    """Half a surrogate pair as its escape: strict parsers refuse a document that has one."""
    return text.encode("utf-8", "backslashreplace").decode()


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _target(target: TargetReport) -> dict[str, object]:
    fields = _fields(target)
    del fields["output"]  # what a target prints may hold anything, and differs from run to run
    if target.kind not in KINDS:
        fields |= {"kind": "unknown", "helper": target.kind}
    return fields | {
        "outcomes": [_outcome(outcome) for outcome in target.outcomes],
        "findings": most_severe_first(target.findings),
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    fields = _fields(outcome)
    return {"rule": outcome.rule, "name": outcome.name, "outcome": fields.pop("status")} | fields


def _fields(value: Any) -> dict[str, object]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
