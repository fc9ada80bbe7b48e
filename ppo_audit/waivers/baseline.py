"""A baseline file: the findings of today, accepted with a reason, so that only new ones fail."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ppo_audit.errors import Complaints, UsageError
from ppo_audit.findings import Report, Status
from ppo_audit.settings import normal_spec
from ppo_audit.waivers.waiver import Waiver

SCHEMA = "ppo-audit-baseline/1"
REQUIRED = ("fingerprint", "rule", "target", "first_seen", "reason")
KEYS = (*REQUIRED, "expires")

Entry = dict[str, str | None]


def waivers_in(path: Path) -> tuple[Waiver, ...]:
    """The waivers of a baseline file."""
    return tuple(
        Waiver(
            rule=str(entry["rule"]),
            reason=str(entry["reason"]),
            origin=f"{path}, first seen {entry['first_seen']}",
            target=normal_spec(str(entry["target"])),
            fingerprint=str(entry["fingerprint"]),
            expires=_day(entry.get("expires")),
        )
        for entry in entries_in(path)
    )


def entries_in(path: Path) -> list[Entry]:
    """What the file holds; everything that is wrong with it is told at once."""
    complaints = Complaints()
    entries = _document(path)
    for number, entry in enumerate(entries, 1):
        complaints.hear(lambda entry=entry, number=number: _expect(entry, f"`{path}` waiver {number}"), None)  # type: ignore[misc]
    complaints.stop()
    return entries


def _document(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError(f"`{path}` does not exist; `ppo-audit check --write-baseline {path}` writes it.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"`{path}` is no baseline: {error}.") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UsageError(f"`{path}` is no baseline: expected a JSON object with `schema` {SCHEMA!r}.")
    waivers = document.get("waivers")
    if not isinstance(waivers, list):
        raise UsageError(f"`{path}`: expected a list under `waivers`.")
    return waivers


def _expect(entry: Any, name: str) -> None:
    if not isinstance(entry, dict):
        raise UsageError(f"{name}: expected an object with {', '.join(KEYS)}.")
    for key in REQUIRED:
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise UsageError(f"{name}: `{key}` is missing or empty; expected a string.")
    for key in ("first_seen", "expires"):
        _expect_day(entry.get(key), f"{name}: `{key}`")


def _expect_day(value: Any, name: str) -> None:
    try:
        if value is not None:
            datetime.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: expected a date such as 2027-01-31, got {value!r}.") from error


def renewed(
    before: Sequence[Entry], report: Report, reason: str, expires: datetime.date | None, today: datetime.date
) -> list[Entry]:
    """The open findings of a report as entries; what is known keeps its date and reason, what was not judged stays."""
    known = {_key(entry): entry for entry in before if not _is_over(entry, today)}
    fresh = {_key(entry): entry for entry in _entries(report, reason, expires, today)}
    kept = {key: entry for key, entry in known.items() if key in fresh or not _was_judged(entry, report)}
    return sorted((fresh | kept).values(), key=lambda entry: (str(entry["target"]), str(entry["rule"]), _key(entry)))


def text_of(entries: Sequence[Entry]) -> str:
    """The file: one key a line, so that a change can be reviewed."""
    return json.dumps({"schema": SCHEMA, "waivers": list(entries)}, indent=2, ensure_ascii=False) + "\n"


def _entries(report: Report, reason: str, expires: datetime.date | None, today: datetime.date) -> list[Entry]:
    until = expires.isoformat() if expires else None
    return [
        {
            "fingerprint": finding.fingerprint,
            "rule": finding.rule,
            "target": normal_spec(target.target),
            "first_seen": today.isoformat(),
            "expires": until,
            "reason": reason,
        }
        for target in report.targets
        for finding in target.findings
        if finding.waiver is None
    ]


def _key(entry: Mapping[str, str | None]) -> tuple[str, str]:
    return str(entry["target"]), str(entry["fingerprint"])


def _is_over(entry: Entry, today: datetime.date) -> bool:
    expires = _day(entry.get("expires"))
    return expires is not None and expires < today


def _day(text: str | None) -> datetime.date | None:
    return None if text is None else datetime.date.fromisoformat(text)


def _was_judged(entry: Entry, report: Report) -> bool:
    judged = {Status.PASSED, Status.FLAGGED, Status.WAIVED}
    return any(
        normal_spec(target.target) == entry["target"] and outcome.rule == entry["rule"] and outcome.status in judged
        for target in report.targets
        for outcome in target.outcomes
    )
