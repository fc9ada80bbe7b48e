"""What the gate does in a worker: plain values out, so that what a target does there harms nobody here."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ppo_audit.gate.snapshot import settings_of, take, with_profile
from ppo_audit.gate.store import dumps, read
from ppo_audit.gate.verdict import Verdict, as_json, compared, text
from ppo_audit.gate.verdict import against as judged
from ppo_audit.settings import Settings

Told = tuple[str, int]
"""A text and an exit code, or how many cases there are."""


def taken(spec: str, settings: Settings) -> Told:
    """The snapshot of a target, as text, and the number of its cases."""
    found = with_profile(take(spec, settings.of(spec)))
    return dumps(found), len(found.readings)


def differing(before: str, names: tuple[str, str], form: str, spec: str, settings: Settings) -> Told:
    """Two targets, each under its own settings, and what moved between them."""
    verdict = compared(take(before, settings.of(names[0])), spec, settings.of(names[1]))
    return _told(dataclasses.replace(verdict, before=names[0], after=names[1]), form)


def against(file: Path, form: str, spec: str, settings: Settings) -> Told:
    """A target, or that of the snapshot, called as it was then unless the user says otherwise now."""
    stored = read(file)
    spec = spec or stored.target
    kept, now = settings_of(stored), settings.of(spec)
    merged = dataclasses.replace(
        kept,
        roles=now.roles or kept.roles,
        values=now.values or kept.values,
        inputs=now.inputs or kept.inputs,
        script_args=now.script_args or kept.script_args,
    )
    return _told(judged(stored, spec, merged), form)


def _told(verdict: Verdict, form: str) -> Told:
    return (as_json(verdict) if form == "json" else text(verdict)), verdict.exit_code
