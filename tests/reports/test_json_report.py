"""The JSON report keeps the schema that others rely on, and is JSON whatever the numbers are."""

from __future__ import annotations

import enum
import json
from pathlib import Path

import jsonschema
import pytest
from syrupy.assertion import SnapshotAssertion

from ppo_audit.findings import Severity
from ppo_audit.reports import json_report
from tests.reports.samples import REPORTS

SCHEMA = Path(__file__).parents[3] / "shared" / "design" / "report.schema.json"


def parse(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", REPORTS)
def test_report(name: str, json_file: SnapshotAssertion):
    assert json_report.render(REPORTS[name]) == json_file


@pytest.mark.parametrize("name", REPORTS)
def test_it_validates_against_the_schema(name: str):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(parse(json_report.render(REPORTS[name])))


def test_findings_come_most_severe_first():
    findings = parse(json_report.render(REPORTS["worked_example"]))["targets"][0]["findings"]
    assert [finding["severity"] for finding in findings] == ["critical", "serious", "serious", "potential"]


def test_waived_findings_count_as_waived_only():
    summary = parse(json_report.render(REPORTS["worked_example"]))["summary"]
    assert (summary["serious"], summary["waived"]) == (1, 1)


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (-float("inf"), "-Infinity"),
        ((1, 2.5, None, True), [1, 2.5, None, True]),
        ({1: {"b", "a"}}, {"1": ["a", "b"]}),
        (Severity.SERIOUS, "serious"),
        (Colour.RED, "red"),
        (1 + 2j, "(1+2j)"),
        (b"x", "b'x'"),
    ],
)
def test_values_become_what_json_knows(value: object, expected: object):
    assert json_report.plain(value) == expected
