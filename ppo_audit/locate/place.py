"""Where a violation comes from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ppo_audit.findings import Location

MOST_ALTERNATIVES = 2
"""Lines named at the most where an edit has the same effect."""
MOST_SHOWN = 8
"""Lines told at the most at which edits cured nothing."""


NOT_CURED = "No single edit of a call cures it: this is where the quantity that is wrong is made."
CURED_BY_SOURCE = "No single edit of a call cures it; an edit of this line does."


@dataclass(frozen=True)
class Place:
    """Where a violation comes from, and the sentence that proves it; `proof` is empty where no edit cured it."""

    location: Location | None
    proof: str = ""
    diff: str | None = None
    alternatives: tuple[Location, ...] = ()
    """Other lines where an edit has the same effect."""
    why: str = ""
    """Why this line and not another: what was tried elsewhere, or who saw it here."""


def tried_elsewhere(lines: Iterable[int], named: Iterable[int]) -> str:
    """What was tried before the edit that cured, at lines that are not named."""
    others = sorted(set(lines) - set(named))
    if not others:
        return "The first line that was tried, from the result back: an edit there cures it."
    shown = ", ".join(map(str, others[:MOST_SHOWN])) + (" and others" if len(others) > MOST_SHOWN else "")
    return (
        f"Edits at line{'s' * (len(others) > 1)} {shown} were tried before: "
        "none of them cures it without breaking another rule."
    )
