"""The log-prob that a target computes itself, and the logarithms on the way to it."""

from __future__ import annotations

import torch

from ppo_audit.findings import Location
from ppo_audit.probes.places import place_of, recorded
from ppo_audit.recording.graph import plain, producers
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.subject import Subject

TINY = 1e-3


def made_log_prob(subject: Subject, **roles: torch.Tensor) -> torch.Tensor:
    """The log-prob of each row as the target computes it from these inputs, (M,)."""
    rows = len(next(iter(roles.values())))
    batch = {role: value for role, value in subject.rows(rows).items() if role not in subject.cuts}
    run = subject.run({**batch, **roles})
    made = next(op.outputs[0] for op in run.trace.ops if op.key == subject.cuts["log_prob"])
    return run.trace.tensors[made].detach().double().reshape(rows, -1)[:, 0]


def log_of_sum(subject: Subject) -> Location | None:
    """A logarithm of something with a tiny number added."""
    run = recorded(subject)
    makers = producers(run.trace)
    logs = [op for op in run.trace.ops if plain(op.name) == "log" and op.inputs]
    return next((place_of(op) for op in logs if _adds_tiny(makers.get(op.inputs[0]))), None)


def _adds_tiny(op: Op | None) -> bool:
    numbers = [arg for arg in op.args if isinstance(arg, float)] if op is not None and "add" in op.name else []
    return any(0 < number < TINY for number in numbers)
