"""The order of backward passes, clippings and steps, and what passes that share a step weigh."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.probes.loop import loop_of, uses
from ppo_audit.recording.loop import Clipped, Event, Loop, Passed, Stepped, Trainer
from ppo_audit.subjects.subject import Subject

OFTEN = 2
"""Times that something must be seen: once may be the seam of two phases."""
INDIFFERENT = frozenset(("Adam", "AdamW", "RMSprop", "Adamax", "NAdam", "RAdam", "Rprop", "Adagrad", "Adadelta"))
"""Optimizers whose steps hardly depend on the scale of gradients."""


def place_of(event: Event) -> Location | None:
    return location_of(event.place) if event.place is not None else None


@dataclass(frozen=True)
class Wrong:
    """A step with wrong gradients: its number among the steps, and the event to point at."""

    step: int
    event: Event


def wrong_gradients(loop: Loop, kind: str) -> Wrong | None:
    """A step, seen more than once, that worked with `stale` gradients, or with none though a pass had made some."""
    found = [index for index, event in enumerate(loop.events) if isinstance(event, Stepped) and event.gradients == kind]
    if len(found) < OFTEN:
        return None
    number = sum(isinstance(event, Stepped) for event in loop.events[: found[0]]) + 1
    step = loop.events[found[0]]
    passes = [event for event in loop.events[: found[0]] if isinstance(event, Passed)]
    return Wrong(number, passes[-1] if kind == "stale" and passes else step)


@dataclass(frozen=True)
class Late:
    """A clipping at the wrong time, and the order in which things happened."""

    order: str
    event: Event


def late_clipping(loop: Loop) -> Late | None:
    """A clipping of parameters that a step has just used and no pass has reached since, seen every time."""
    for trainer in loop.trainers:
        clips = [
            (i, e) for i, e in enumerate(loop.events) if isinstance(e, Clipped) and e.parameters & trainer.parameters
        ]
        late = [(index, event) for index, event in clips if _is_late(loop, index, trainer)]
        if len(late) >= OFTEN and len(late) >= len(clips) - 1:
            index, event = late[-1]
            return Late(" -> ".join(_word(each) for each in loop.events[max(index - 3, 0) : index + 1]), event)
    return None


def _is_late(loop: Loop, index: int, trainer: Trainer) -> bool:
    """Whether, of the events before a clipping that concern these parameters, the last one was a step."""
    for event in reversed(loop.events[:index]):
        if isinstance(event, Passed) and event.reached & trainer.parameters:
            return False
        if isinstance(event, Stepped) and event.optimizer == trainer.number:
            return True
    return True


def _word(event: Event) -> str:
    return {Passed: "backward", Stepped: "step", Clipped: "clip"}[type(event)]


@dataclass(frozen=True)
class Shared:
    """How many passes of one loss share a step, and what a sample weighs in each, times the number of its rows."""

    passes: int
    weight: float
    optimizer: str
    is_clipped: bool
    event: Event

    @property
    def is_indifferent(self) -> bool:
        return self.optimizer in INDIFFERENT and not self.is_clipped


def shared_step(subject: Subject) -> Shared | None:
    """The passes of the loss with the ratio between two steps of its optimizer, where they are always as many."""
    loop = loop_of(subject)
    first = uses(loop)[0]
    reached = first.reached["log_prob"]
    trainer = next((each for each in loop.trainers if each.parameters & reached), None)
    counts = _passes_a_step(loop, trainer, first.loss) if trainer is not None else []
    if trainer is None or len(counts) < OFTEN or min(counts) < 2:
        return None
    own = [event for event in loop.events if isinstance(event, Passed) and event.loss == first.loss]
    if any(event.reached != own[0].reached for event in own):
        raise NotApplicable("the passes that share a step are of different networks")
    clipped = any(isinstance(event, Clipped) for event in loop.events)
    return Shared(max(counts), _weight(subject), trainer.kind, clipped, own[0])


def _passes_a_step(loop: Loop, trainer: Trainer, loss: object) -> list[int]:
    """Numbers of passes of one loss before each step of an optimizer."""
    counts, passes = [], 0
    for event in loop.events:
        if isinstance(event, Passed) and event.loss == loss:
            passes += 1
        elif isinstance(event, Stepped) and event.optimizer == trainer.number:
            counts.append(passes)
            passes = 0
    return counts


def _weight(subject: Subject) -> float:
    """The size of d loss / d log-prob at ratio one and advantage one, times the rows."""
    rows = subject.capacity or 8
    return float(
        subject.policy(torch.zeros(rows, dtype=torch.float64), torch.ones(rows, dtype=torch.float64)).abs().mean()
    )
