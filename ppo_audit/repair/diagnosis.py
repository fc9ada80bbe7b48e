"""Which slip it was: the rules that flag, compared with those that flag the generated faults of the corpus.

No target is called for it. Leaving each fault out in turn, a slip is named for 43 % of them, and nine in ten of those
are right; `tests/repair/test_diagnosis.py` holds the figures.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ppo_audit.findings import Finding, Severity

MARGIN = 0.1
"""How much more alike than the runner-up the likest slip must be, on a scale of 1."""
LEAST = 0.9
"""How alike the likest slip must be: else it is another one, or there are several at once."""
HAZARDS = frozenset(("PPO101", "PPO109", "PPO208", "PPO415"))
"""What most losses show, and says nothing of a slip."""


@dataclass(frozen=True)
class Known:
    """A fault of the corpus: its slip in words, and the rules that flag it, the gravest first."""

    slip: str
    flagged: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """The likest slip, the runner-up, and how alike each is."""

    slip: str
    alike: float
    runner_up: str
    behind: float

    @property
    def is_clear(self) -> bool:
        return self.behind >= MARGIN and self.alike >= LEAST

    @property
    def text(self) -> str:
        return (
            f"The rules that flag are those of a known slip, {self.slip} ({self.alike:.0%} alike); "
            f"the next, {self.runner_up}, is {self.behind:.0%} behind"
        )


@functools.cache
def known_faults() -> tuple[Known, ...]:
    """The generated faults that are flagged."""
    file = importlib.resources.files("ppo_audit.corpus") / "generated.json"
    stored = json.loads(file.read_text(encoding="utf-8"))
    found = [Known(_slip(each["name"]), signature(each["flagged"])) for each in stored if each["is_fault"]]
    return tuple(known for known in found if known.flagged)


def _slip(name: str) -> str:
    """`a2c:7:18 value: detached` is the slip `value: detached`."""
    return name.partition(" ")[2]


def signature(codes: Sequence[str]) -> tuple[str, ...]:
    """The codes that tell slips apart, in their order."""
    return tuple(dict.fromkeys(code for code in codes if code not in HAZARDS))


def diagnosed(flagged: tuple[str, ...], among: Sequence[Known]) -> Diagnosis | None:
    """The slip whose likest fault is most alike; None where nothing is flagged."""
    best: dict[str, float] = {}
    for known in among if flagged else ():
        best[known.slip] = max(best.get(known.slip, 0.0), _alike(flagged, known.flagged))
    if len(best) < 2:
        return None
    (first, second) = sorted(best.items(), key=lambda pair: -pair[1])[:2]
    return Diagnosis(first[0], first[1], second[0], first[1] - second[1])


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """Half for the share of rules that flag both, half where the gravest is the same."""
    shared = len({*one} & {*other}) / len({*one} | {*other})
    return (shared + (one[0] == other[0])) / 2


def with_diagnosis(found: Sequence[Finding]) -> list[Finding]:
    """The findings, the gravest that is no hazard of a design with its diagnosis where that is clear."""
    grave = [finding for finding in found if finding.severity <= Severity.SERIOUS]
    diagnosis = diagnosed(signature([code for each in grave for code in (each.rule, *each.also)]), known_faults())
    first = next((finding for finding in grave if finding.rule not in HAZARDS), None)
    if diagnosis is None or not diagnosis.is_clear:
        return list(found)
    return [replace(each, diagnosis=diagnosis.text) if each is first else each for each in found]
