"""What clips in the policy term: recorded ratios, clamps and bounds, with their values on a chosen batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location
from ppo_audit.probes.options import function_of
from ppo_audit.probes.places import place_of, recorded, recorded_site, slice_of
from ppo_audit.probes.quantities import CREDITS, branch_pairs
from ppo_audit.recording.graph import NONE, operands, plain, producers
from ppo_audit.recording.terms import CLAMPS
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.anatomy import CHOICES
from ppo_audit.subjects.boundary import log_ratios
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject


@dataclass(frozen=True)
class Clamp:
    """A recorded clamp that a log-prob passes: what went in and what came out, (M,), and where it stands."""

    before: torch.Tensor
    after: torch.Tensor
    place: Location | None


@dataclass(frozen=True)
class DualBound:
    """The constant c of a bound c A that the surrogate is compared with, and where it is compared."""

    c: float
    place: Location | None


def ratios(subject: Subject, log_ratio: torch.Tensor, old: torch.Tensor) -> list[torch.Tensor]:
    """What every exponential of a difference of log-probs in the policy term gives for each row, (M,)."""
    rows = len(old)
    run = subject.run(subject.rows(rows, None, **subject.at(log_ratio, torch.ones_like(old), old)))
    roles = subject.roles_of(run)
    found = [op.outputs[0] for op, _, _ in log_ratios(slice_of(subject, run, "policy"), roles)]
    values = [run.trace.tensors[number].detach().double() for number in found if "log_prob" in roles[number]]
    return [value.reshape(rows, -1)[:, 0] for value in values if value.numel() and value.numel() % rows == 0]


@dataclass(frozen=True)
class TwinBranches:
    """Two surrogates that are compared and never differ, and where the second is made, or one is taken twice."""

    place: Location | None


def twin_branches(subject: Subject) -> TwinBranches | None:
    """The surrogates that a minimum or maximum chooses from, where they are equal however far samples have moved."""
    if not subject.anatomy.compares_surrogates:
        return None
    rows = subject.capacity or 8
    moved = torch.linspace(-2.0, 2.0, rows, dtype=torch.float64)
    run = subject.run(subject.rows(rows, None, **subject.at(moved, torch.ones_like(moved))))
    pairs = branch_pairs(subject, run)
    if not pairs or not all(torch.equal(*(run.trace.tensors[number] for number in pair)) for pair in pairs):
        return None
    first, second = pairs[-1]
    is_one = first == second
    return TwinBranches(recorded_site(subject, "surrogate") if is_one else place_of(producers(run.trace).get(second)))


def ratio_maker(subject: Subject) -> Location | None:
    """Where new and old log-prob first meet, or the exponential of what they make."""
    run = recorded(subject)
    roles, ops = subject.roles_of(run), slice_of(subject, run, "policy")
    exponentials = [op for op, _, _ in log_ratios(ops, roles) if "log_prob" in roles[op.outputs[0]]]
    meeting = [op for op in ops if {"log_prob", "old_log_prob"} <= roles.get(op.outputs[0], NONE)]
    return place_of(next(iter(exponentials or meeting), None))


def policy_clamps(subject: Subject, run: Run) -> list[Clamp]:
    """Every clamp of the policy term whose input depends on a log-prob."""
    roles, tensors = subject.roles_of(run), run.trace.tensors
    ops = [op for op in slice_of(subject, run, "policy") if plain(op.name) in CLAMPS]
    live = [op for op in ops if "log_prob" in roles.get(op.inputs[0], NONE)]
    flat = {
        number: tensors[number].detach().double().reshape(-1) for op in live for number in (*op.inputs, *op.outputs)
    }
    return [Clamp(flat[op.inputs[0]], flat[op.outputs[0]], place_of(op)) for op in live]


def dual_bound(subject: Subject) -> DualBound | None:
    """The bound of a dual clip: an operand of a minimum or maximum that is one constant times the advantage."""
    rows = subject.capacity or 8
    advantage = torch.linspace(-2.0, 2.5, rows, dtype=torch.float64)
    run = subject.run(subject.rows(rows, None, **subject.at(torch.zeros_like(advantage), advantage)))
    roles = subject.roles_of(run)
    for op in slice_of(subject, run, "policy"):
        pair = [number for number in operands(op)[:2] if number is not None]
        if plain(op.name) not in CHOICES - {"where"} or len(pair) != 2:
            continue
        for bound, other in (pair, pair[::-1]):
            found = roles.get(bound, NONE)
            if found & CREDITS and "log_prob" not in found and "log_prob" in roles.get(other, NONE):
                constant = _factor(run, bound, advantage)
                if constant is not None:
                    return DualBound(constant, _maker_place(run, op, bound, constant))
    return None


def _factor(run: Run, number: int, advantage: torch.Tensor) -> float | None:
    """|c| where a value is c times the advantage, for samples of both signs."""
    factors = run.trace.tensors[number].detach().double().reshape(-1)
    if factors.numel() != len(advantage):
        return None
    factors = factors / advantage
    return float(factors.abs().median()) if bool(((factors - factors[0]).abs() <= 1e-6).all()) else None


def _maker_place(run: Run, op: Op, bound: int, constant: float) -> Location | None:
    """Where to point: the bound itself where its constant is below one, else the comparison."""
    return place_of(producers(run.trace).get(bound)) if constant < 1 else place_of(op)


def is_annealed(subject: Subject) -> bool:
    """Whether the range that a target holds is shrunk by a fraction that it holds too: what is left of training."""
    low, high = subject.profile.clip
    owner = getattr(function_of(subject), "__self__", None)
    if owner is None or "clip_range" in subject.scalars or low is None or high is None:
        return False
    shares = ((1 - low) / subject.settings["clip_range"], (high - 1) / subject.settings["clip_range"])
    held = [number for number in {**vars(type(owner)), **vars(owner)}.values() if isinstance(number, float)]
    return shares[1] < 1 and any(max(abs(share - number) for share in shares) < 1e-3 for number in held)


def acting_bounds(subject: Subject) -> tuple[float | None, float | None]:
    """The measured upper and lower bound; None for an upper one that the given range does not set (clip-higher)."""
    if is_annealed(subject):
        raise NotApplicable("the range is annealed by a fraction that the target holds")
    (low, high), declared = subject.profile.clip, subject.profile.declared[1]
    is_its_own = "clip_range_high" not in subject.settings and declared != 1 + subject.settings["clip_range"]
    return None if is_its_own else high, low
