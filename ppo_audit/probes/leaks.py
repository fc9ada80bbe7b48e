"""Paths on which a gradient leaves the loss although PPO holds their end constant: the missing `detach()`.

Only paths that the target itself makes count: one input that plays two parts, as when advantages are formed from the
values that the critic is trained on. What is merely passed in is the caller's to detach.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ppo_audit.findings import Location
from ppo_audit.recording.graph import NONE, Roles, backward_slice, makes, operands, plain, producers
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.boundary import log_ratios
from ppo_audit.subjects.run import Run

if TYPE_CHECKING:
    from ppo_audit.subjects.subject import Subject

CREDIT = frozenset(("advantage", "effective_advantage", "return_", "value", "reward"))
PRODUCTS = frozenset("mul rmul imul multiply div truediv".split())
VIEWS = frozenset("view reshape flatten squeeze unsqueeze".split())
ERRORS = frozenset("sub rsub subtract mse_loss smooth_l1_loss huber_loss l1_loss".split())


@dataclass(frozen=True)
class Leak:
    """The gradient of `what` by the input of a role, which should be zero; `place` is where the input enters."""

    what: str
    role: str
    gradient: torch.Tensor
    place: Location | None


def leaks(subject: Subject, run: Run) -> list[Leak]:
    """Every leak of one recorded call, the first place of each kind."""
    roles = subject.roles_of(run)
    found: dict[tuple[str, str], Leak] = {}
    for what, number in _constants(subject, run, roles):
        for role, leaf in run.leaves.items():
            gradient = _gradient(run.trace.tensors[number], leaf)
            if gradient is not None and bool((gradient != 0).any()):
                place = subject.direct.place(_entry(run, number, run.numbers[role], roles))
                found.setdefault((what, role), Leak(what, role, gradient, place))
    return list(found.values())


def _constants(subject: Subject, run: Run, roles: Mapping[int, Roles]) -> Iterator[tuple[str, int]]:
    """What ought to be constant for autograd, by name and value number."""
    slices = {name: _slice(subject, run, name) for name in ("policy", "value")}
    ratios = _with_ratio(slices["policy"], roles)
    for op in slices["policy"]:
        yield from _weights(op, roles, ratios, run.trace.tensors)
    for op in slices["value"]:
        yield from (("the value target", number) for number in _followed_targets(op, run, roles))


def _slice(subject: Subject, run: Run, name: str) -> Sequence[Op]:
    families = subject.anatomy.families.get(name, frozenset())
    atoms = [part.atom for part in subject.parts(run) if part.family in families]
    return backward_slice(run.trace, atoms, stop=run.numbers.values())


def _with_ratio(ops: Sequence[Op], roles: Mapping[int, Roles]) -> set[int]:
    """The values that are computed from a ratio."""
    found = {number for op, _, _ in log_ratios(ops, roles) for number in op.outputs}
    for op in ops:
        if found.intersection(makes(op)):
            found.update(op.outputs)
    return found


def _weights(
    op: Op, roles: Mapping[int, Roles], ratios: set[int], tensors: Sequence[torch.Tensor]
) -> Iterator[tuple[str, int]]:
    """The constant operand where credit meets a ratio or log-prob: the credit, or a second ratio, a weight.

    Of two ratios one that carries no gradient beside the credit is the weight, and the other may carry one. What meets
    a detached ratio may be the credit times the log-prob already.
    """
    pair = [number for number in operands(op)[:2] if number is not None]
    if plain(op.name) not in PRODUCTS or len(pair) != 2:
        return
    for credit, other in (pair, pair[::-1]):
        found, met = roles.get(credit, NONE), roles.get(other, NONE)
        if found & CREDIT and "log_prob" in met and not met & CREDIT:
            if not {credit, other} <= ratios:
                yield from [("the advantage", credit)] if tensors[other].requires_grad else []
            elif tensors[credit].requires_grad:
                yield "the importance weight", other


def _followed_targets(op: Op, run: Run, roles: Mapping[int, Roles]) -> Iterator[int]:
    """The side of a regression that holds returns or credit, where it follows the prediction as the other does."""
    pair = [number for number in operands(op)[:2] if number is not None]
    if plain(op.name) not in ERRORS or len(pair) != 2 or "value" not in run.leaves:
        return
    targets = [number for number in pair if roles.get(number, NONE) & CREDIT - {"value"}]
    sides = [_gradient(run.trace.tensors[number], run.leaves["value"]) for number in pair]
    if len(targets) == 1 and all(side is not None and bool((side != 0).any()) for side in sides):
        yield targets[0]


def _gradient(tensor: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor | None:
    if not (tensor.requires_grad and leaf.requires_grad):
        return None
    (gradient,) = torch.autograd.grad(tensor.sum(), [leaf], allow_unused=True, retain_graph=True)
    return gradient


def _entry(run: Run, number: int, leaf: int, roles: Mapping[int, Roles]) -> Op | None:
    """The last operation on the way to a value that takes the leaf itself, or a view of it, with its graph."""
    ops = backward_slice(run.trace, [number], stop=run.numbers.values())
    same = {leaf}
    for op in ops:  # a view made inside the network is no place where anybody forgets to detach
        same.update(op.outputs if plain(op.name) in VIEWS and same.issuperset(op.inputs) else ())
    users = [op for op in ops if same & {*op.inputs} and plain(op.name) != "detach" and not same.issuperset(op.outputs)]
    return users[-1] if users else producers(run.trace).get(number)
