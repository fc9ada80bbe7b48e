"""Where a violation comes from."""

from __future__ import annotations

from dataclasses import dataclass

from ppo_audit.findings import Location

MOST_ALTERNATIVES = 2
"""Lines named at the most where an edit has the same effect."""


@dataclass(frozen=True)
class Place:
    """Where a violation comes from, and the sentence that proves it; `proof` is empty where no edit cured it."""

    location: Location | None
    proof: str = ""
    diff: str | None = None
    alternatives: tuple[Location, ...] = ()
    """Other lines where an edit has the same effect."""
