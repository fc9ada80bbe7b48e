"""Ratios of whole sequences, and weights that are capped instead of clipped: GSPO, CISPO and what is near them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch

from ppo_audit.findings import Location
from ppo_audit.probes.places import place_of, recorded, slice_of
from ppo_audit.recording.graph import NONE, Roles, backward_slice, clamp_bounds, plain
from ppo_audit.recording.terms import CLAMPS, PRODUCTS
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.anatomy import CHOICES
from ppo_audit.subjects.boundary import log_ratios
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject

SEQUENCES = 4


@dataclass(frozen=True)
class SequenceRatio:
    """The log-ratio of a sequence, (2,), for four and eight tokens at one log-ratio each."""

    log_ratios: torch.Tensor
    counts_padding: bool
    place: Location | None


@dataclass(frozen=True)
class CappedWeight:
    """A ratio that is only capped: whether it carries a gradient, and the policy gradients at the cap and beyond it."""

    is_live: bool
    log_ratio: float
    at_cap: float
    beyond: float
    place: Location | None

    @property
    def keeps_gradient(self) -> bool:
        return self.beyond != 0 or self.at_cap == 0


def sequence_ratio(subject: Subject, step: float) -> SequenceRatio | None:
    """What the loss makes of the log-ratios of one sequence; None where every token has a ratio of its own."""
    if subject.capacity is not None or not subject.layout.name.startswith("tokens") or "mask" not in subject.available:
        return None
    runs = [_run(subject, tokens, step, 0) for tokens in (4, 8)]
    made = [_exponential(subject, run) for run in runs]
    if any(
        op is None or run.trace.tensors[op.outputs[0]].numel() != SEQUENCES for op, run in zip(made, runs, strict=True)
    ):
        return None
    values = [
        float(run.trace.tensors[op.outputs[0]].detach().reshape(-1)[0].log())
        for op, run in zip(made, runs, strict=True)
        if op
    ]
    padded = _run(subject, 8, step, 4)
    op = _exponential(subject, padded)
    with_padding = float(padded.trace.tensors[op.outputs[0]].detach().reshape(-1)[0].log()) if op else values[0]
    counts = abs(with_padding - values[0]) > 1e-9
    return SequenceRatio(torch.tensor(values, dtype=torch.float64), counts, _reduction(subject, runs[1]))


def _run(subject: Subject, tokens: int, step: float, padding: int) -> Run:
    """Four sequences whose tokens are all at one log-ratio, the last ones masked."""
    longer = dataclasses.replace(subject, layout=subject.layout.tokens(tokens))
    batch = longer.rows(SEQUENCES)
    keep = torch.ones(SEQUENCES, tokens, dtype=torch.float64)
    keep[:, tokens - padding :] = 0
    batch["log_prob"] = batch["old_log_prob"] + step
    batch["mask"] = subject.layout.mask(keep)
    return longer.run(batch)


def _exponential(subject: Subject, run: Run) -> Op | None:
    roles = subject.roles_of(run)
    found = [
        op for op, _, _ in log_ratios(slice_of(subject, run, "policy"), roles) if "log_prob" in roles[op.outputs[0]]
    ]
    return found[-1] if found else None


def _reduction(subject: Subject, run: Run) -> Location | None:
    """Where the log-ratios of a sequence become one number."""
    exponential = _exponential(subject, run)
    assert exponential is not None
    roles = subject.roles_of(run)
    for op in backward_slice(run.trace, exponential.inputs, stop=run.numbers.values()):
        sizes = [run.trace.tensors[number].numel() for number in op.inputs if "log_prob" in roles.get(number, NONE)]
        if (
            sizes
            and "log_prob" in roles.get(op.outputs[0], NONE)
            and run.trace.tensors[op.outputs[0]].numel() < max(sizes)
        ):
            return place_of(op)
    return None


def capped_weight(subject: Subject) -> CappedWeight | None:
    """The ratio that is clamped from above only and compared with nothing; None where there is no such clamp."""
    run = recorded(subject)
    ops, roles = slice_of(subject, run, "policy"), subject.roles_of(run)
    exponentials = {op.outputs[0]: op for op, _, _ in log_ratios(ops, roles) if "log_prob" in roles[op.outputs[0]]}
    compared = any(plain(op.name) in CHOICES and "log_prob" in roles.get(op.outputs[0], NONE) for op in ops)
    caps = [op for op in ops if plain(op.name) in CLAMPS and op.inputs[0] in exponentials]
    if compared or not caps:
        return None
    low, high = clamp_bounds(caps[0])
    if low is not None or high is None or not high > 1:
        return None
    weighs = any(_is_weighing(op, roles, run, exponentials.keys()) for op in ops)
    at, beyond = math.log(0.95 * high), math.log(2 * high)
    log_ratio = torch.tensor([at, beyond], dtype=torch.float64)
    gradient = subject.policy(log_ratio, torch.ones_like(log_ratio))
    is_live = weighs and run.trace.tensors[caps[0].outputs[0]].requires_grad and not subject.anatomy.is_weight_detached
    return CappedWeight(is_live, beyond, float(gradient[0]), float(gradient[1]), place_of(caps[0]))


def _is_weighing(op: Op, roles: Mapping[int, Roles], run: Run, exponentials: Collection[int]) -> bool:
    """Whether the operation multiplies by a log-prob that has not gone through the exponential."""
    if plain(op.name) not in PRODUCTS:
        return False
    bare = [number for number in op.inputs if roles.get(number, NONE) == frozenset(("log_prob",))]
    return any(
        not set(exponentials) & {n for o in backward_slice(run.trace, [number]) for n in o.outputs} for number in bare
    )
