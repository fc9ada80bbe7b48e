"""What a waiver is: a rule, a reason, and what else must agree before it holds."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiver:
    """An accepted finding. What is None does not matter; `origin` says where the waiver stands.

    `lines` are those of `file` that an inline comment speaks for.
    """

    rule: str
    reason: str
    origin: str
    target: str | None = None
    fingerprint: str | None = None
    file: str | None = None
    lines: tuple[int, ...] = ()
    expires: datetime.date | None = None

    def has_expired(self, today: datetime.date) -> bool:
        """Whether it no longer holds: it does on the day that it names, and not after."""
        return self.expires is not None and today > self.expires
