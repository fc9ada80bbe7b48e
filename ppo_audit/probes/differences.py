"""Autograd against differences of the loss, and the backward passes that a target wrote itself."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator

import torch

from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.probes.places import recorded
from ppo_audit.recording.graph import backward_slice, plain
from ppo_audit.recording.trace import Site
from ppo_audit.subjects.subject import Subject, gradient_of

STEP, DIRECTIONS = 1e-6, 3
Slopes = dict[str, tuple[torch.Tensor, torch.Tensor]]


def slopes(subject: Subject, seed: int) -> Slopes:
    """For each differentiable input: slopes along random directions by autograd, and by central differences, (3,)."""
    generator = torch.Generator().manual_seed(seed)
    direct = subject.direct.subject
    batch = direct.rows(8, seed)
    run = direct.run(batch)
    found: Slopes = {}
    for role, leaf in run.leaves.items():
        if not leaf.requires_grad:
            continue
        base, pairs = leaf.detach() * (subject.log_prob_sign if role == "log_prob" else 1), []
        for _ in range(DIRECTIONS):
            step = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
            sides = [float(direct.run({**batch, role: base + sign * STEP * step}).loss.detach()) for sign in (1, -1)]
            along = float((gradient_of(run.loss, leaf) * step).sum()) * (
                subject.log_prob_sign if role == "log_prob" else 1
            )
            pairs.append((along, (sides[0] - sides[1]) / (2 * STEP)))
        got, want = torch.tensor(pairs, dtype=torch.float64).T
        found[role] = (got, want)
    return found


def stops_gradients(subject: Subject) -> bool:
    """Whether a value that depends on a differentiable input is detached on its way to the loss."""
    run = recorded(subject)
    roles, live = subject.roles_of(run), {role for role, leaf in run.leaves.items() if leaf.requires_grad}
    ops = backward_slice(run.trace, [run.total], stop=run.numbers.values())
    return any(plain(op.name) in ("detach", "data") and roles.get(op.outputs[0], frozenset()) & live for op in ops)


def custom_backward(subject: Subject) -> Location | None:
    """Where the first backward pass that the target wrote itself makes what it returns; None where there is none."""
    for function in _custom(recorded(subject).loss):
        return _result_of(function)
    return None


def _custom(loss: torch.Tensor) -> Iterator[type]:
    """The classes of autograd functions in the graph of a loss that were written in Python."""
    stack, seen = [loss.grad_fn], set[object]()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        written = getattr(type(node), "_forward_cls", None)
        if written is not None and not written.__module__.startswith("torch."):
            yield written
        stack.extend(parent for parent, _ in node.next_functions)


def _result_of(function: type) -> Location | None:
    """The last assignment of a `backward` before it returns, or its first line."""
    try:
        lines, start = inspect.getsourcelines(function.backward)  # type: ignore[attr-defined]
        file = inspect.getsourcefile(function) or ""
    except (OSError, TypeError):
        return None
    (body,) = ast.parse(textwrap.dedent("".join(lines))).body
    made = [node for node in ast.walk(body) if isinstance(node, ast.Assign)]
    line = start + (made[-1].lineno if made else 1) - 1
    return location_of(Site(file, line, line, 0, 0, function.__qualname__))
