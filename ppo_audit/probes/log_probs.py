"""The log-prob that a target computes itself, and the logarithms on the way to it."""

from __future__ import annotations

import torch

from ppo_audit.findings import Location
from ppo_audit.helpers.log_prob import LogProb, exact
from ppo_audit.probes.places import place_of, recorded
from ppo_audit.recording.graph import NONE, backward_slice, plain, producers
from ppo_audit.recording.trace import Op
from ppo_audit.reference import gaussian_log_prob
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject

TINY = 1e-3


def made_log_prob(subject: Subject, **roles: torch.Tensor) -> torch.Tensor:
    """The log-prob of each row as the target computes it from these inputs, (M,)."""
    rows = len(next(iter(roles.values())))
    batch = {role: value for role, value in subject.rows(rows).items() if role not in subject.cuts}
    run = subject.run({**batch, **roles})
    made = next(op.outputs[0] for op in run.trace.ops if op.key == subject.cuts["log_prob"])
    return run.trace.tensors[made].detach().double().reshape(rows, -1)[:, 0]


def moved_with_mean(subject: Subject, role: str, mean: str, spread: str) -> tuple[torch.Tensor, torch.Tensor]:
    """How far a computed log-prob of each row moves with its means, and how far the sum over the dimensions does."""
    rows = subject.capacity or 8
    batch = subject.rows(rows)
    inputs = {name: batch[name] for name in batch if name not in subject.cuts}
    found, wanted = [], []
    for given in (inputs, {**inputs, mean: inputs[mean] + 0.1}):
        run = subject.run(given)
        made = next(op.outputs[0] for op in run.trace.ops if op.key == subject.cuts[role])
        found.append(run.trace.tensors[made].detach().double().reshape(rows, -1).sum(-1))
        log_std = given[spread] if "log" in spread else torch.as_tensor(given[spread]).log()
        wanted.append(gaussian_log_prob(_seen_action(subject, run, made, mean), given[mean], log_std))
    return (found[1] - found[0]).flatten(), (wanted[1] - wanted[0]).flatten()


def _seen_action(subject: Subject, run: Run, made: int, mean: str) -> torch.Tensor:
    """The action that a log-prob is asked for: of a squashed policy the given one before it was squashed."""
    roles, action = subject.roles_of(run), run.leaves["action"]
    meets = [op for op in backward_slice(run.trace, [made]) if {mean, "action"} <= roles.get(op.outputs[0], NONE)]
    seen = [run.trace.tensors[n] for op in meets[:1] for n in op.inputs if roles.get(n, NONE) == frozenset(("action",))]
    return next((each.detach() for each in seen if each.shape == action.shape), action.detach())


def log_of_sum(subject: Subject) -> Location | None:
    """A logarithm of something with a tiny number added."""
    run = recorded(subject)
    makers = producers(run.trace)
    logs = [op for op in run.trace.ops if plain(op.name) == "log" and op.inputs]
    return next((place_of(op) for op in logs if _adds_tiny(makers.get(op.inputs[0]))), None)


def _adds_tiny(op: Op | None) -> bool:
    numbers = [arg for arg in op.args if isinstance(arg, float)] if op is not None and "add" in op.name else []
    return any(0 < number < TINY for number in numbers)


Compared = tuple[torch.Tensor, torch.Tensor]
APART = 0.3
"""How far one mean is moved."""


def between_policies(judged: LogProb) -> Compared:
    """How much the log-prob of each action differs between two policies: as returned, and as it should be, (M,)."""
    action = judged.actions()
    first, second = (judged.policies(seed) for seed in (0, 1))
    got = judged.log_probs(first, action) - judged.log_probs(second, action)
    wanted = [one - two for one, two in zip(*(exact(judged, each, action) for each in (first, second)), strict=True)]
    return got, min(wanted, key=lambda want: float((got - want).abs().nan_to_num(torch.inf).max()))


def by_dimension(judged: LogProb) -> torch.Tensor:
    """How much each action dimension counts, (D,): the change of the log-prob when its mean moves, over the right one.

    NaN where the change is no multiple of the right one.
    """
    action, policies = judged.actions(), judged.policies(0)
    shares = []
    for dimension in range(action.shape[1]):
        mean = policies["mean"].clone()
        mean[:, dimension] += APART
        moved = {**policies, "mean": mean}
        got = judged.log_probs(moved, action) - judged.log_probs(policies, action)
        wanted = zip(*(exact(judged, each, action) for each in (moved, policies)), strict=True)
        shares.append(_share(got, [one - two for one, two in wanted]))
    return torch.tensor(shares, dtype=torch.float64)


def _share(got: torch.Tensor, wanted: list[torch.Tensor]) -> float:
    for want in wanted:
        share = (got * want).sum() / (want * want).sum()
        if bool((got - share * want).abs().max() <= 1e-6):
            return float(share)
    return float("nan")
