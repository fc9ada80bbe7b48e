"""What an audit tells while it runs, so that nothing is lost where the target ends the process: stages and verdicts.

A stage is a piece of work that can be given up alone: opening the target, one rule, the place of one finding, the
closing facts of the report. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ppo_audit.findings import Finding, Outcome, Violation

OPENING = "opening"
CLOSING = "closing"


@dataclass(frozen=True)
class Verdict:
    """How one rule ended on one variant of a target, and the finding as far as it is known without its place."""

    outcome: Outcome
    violation: Violation | None = None
    finding: Finding | None = None
    reach: int = 0


@dataclass(frozen=True)
class Opened:
    """What is known of a target once it was imported and called."""

    kind: str
    roles: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    line: int | None = None


class Journal(Protocol):
    """Hears of every stage, and knows what an earlier worker learnt."""

    def enter(self, stage: str) -> None:
        """The stage begins."""

    def gave_up(self, stage: str) -> bool:
        """Whether an earlier worker was lost in this stage, so that it must not be tried again."""

    def opened(self, facts: Opened) -> None:
        """The target could be imported and called."""

    def recall(self, stage: str) -> Verdict | None:
        """What is known already of a rule."""

    def keep(self, stage: str, verdict: Verdict) -> None:
        """A rule has ended."""


class Silent:
    """The journal of an audit in process: nobody reads it, and nothing came before."""

    def enter(self, stage: str) -> None:
        pass

    def gave_up(self, stage: str) -> bool:
        return False

    def opened(self, facts: Opened) -> None:
        pass

    def recall(self, stage: str) -> Verdict | None:
        return None

    def keep(self, stage: str, verdict: Verdict) -> None:
        pass


def rule_stage(variant: str, code: str) -> str:
    return f"{variant}/{code}"


def place_stage(variant: str, code: str) -> str:
    return f"{variant}/{code}/place"


def repair_stage(variant: str, code: str) -> str:
    return f"{variant}/{code}/repair"


def is_rule(stage: str) -> bool:
    """Whether the stage is that of a rule, which then has an outcome."""
    return stage.count("/") == 1
