"""The schemas that reports must validate against: SARIF of OASIS, JUnit XML as CI servers read it."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import jsonschema
import xmlschema

from ppo_audit.findings import Report
from ppo_audit.reports import junit, sarif

SARIF = Path(__file__).parents[3] / "shared" / "data" / "sarif-schema-2.1.0.json"
JUNIT = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


@functools.cache
def validator() -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(SARIF.read_text(encoding="utf-8")))


def expect_valid(report: Report) -> None:
    """Raise where one of the two formats does not validate."""
    validator().validate(json.loads(sarif.render(report)))
    JUNIT.validate(junit.render(report))
