"""Quantities inside a loss that more than one batch or one operation tells: what rules about them measure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.recording.graph import NONE, Roles, backward_slice, dependencies, plain, substitute
from ppo_audit.recording.terms import SCALES
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.batch import VECTOR_ROLES
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject, gradient_of

PRODUCTS = frozenset(("mul", "rmul", "multiply", "neg", "negative"))
EXTREMA = frozenset(("min", "max", "minimum", "maximum", "fmin", "fmax"))


def term_roles(subject: Subject, name: str) -> Roles:
    """The roles that a term of the loss is computed from."""
    run = subject.run(subject.rows(subject.capacity or 8))
    roles, wanted = subject.roles_of(run), subject.anatomy.families.get(name, NONE)
    return NONE.union(*(roles.get(part.atom, NONE) for part in subject.parts(run) if part.family in wanted))


def term_gradient(subject: Subject, name: str, role: str, run: Run) -> torch.Tensor:
    """d term / d role of one run, in the shape of the role."""
    return gradient_of(subject.term(name).scalar(run), run.leaves[role])


def expect_gaussian(subject: Subject) -> None:
    """Raise NotApplicable where the result of an entropy helper depends on the mean: a squashed Gaussian's does."""
    if subject.kind != "entropy" or "mean" not in subject.available:
        return
    rows = subject.rows(8)["mean"]
    means = torch.zeros_like(rows), torch.ones_like(rows)  # type: ignore[arg-type]
    first, second = (subject.term("entropy").row_values(mean=mean) for mean in means)
    if bool((first - second).abs().max() > 1e-6):
        raise NotApplicable("the entropy depends on the mean: it is no plain Gaussian's")


def branches(subject: Subject, run: Run) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The operand pairs of every minimum or maximum of two surrogates, each of them ratio times advantage."""
    tensors = run.trace.tensors
    return [(tensors[a].detach(), tensors[b].detach()) for a, b in branch_pairs(subject, run)]


def branch_pairs(subject: Subject, run: Run) -> list[tuple[int, int]]:
    """The same pairs by value number."""
    roles = subject.roles_of(run)
    products = {op.outputs[0] for op in run.trace.ops if plain(op.name) in PRODUCTS}
    surrogates = {number for number in products if "log_prob" in roles[number] and roles[number] & CREDITS}
    pairs = [op.inputs for op in run.trace.ops if plain(op.name) in EXTREMA and len(op.inputs) == 2]
    return [(a, b) for a, b in pairs if {a, b} <= surrogates]


CREDITS = frozenset(("advantage", "effective_advantage", "reward"))


def normaliser(subject: Subject, advantage: torch.Tensor) -> torch.Tensor:
    """The recorded normaliser on advantages of another length than the recording's: its operations, called again."""
    run = subject.run(subject.rows(subject.capacity or 8))
    key = subject.anatomy.cuts["effective_advantage"]
    end = next(op.outputs[0] for op in run.trace.ops if op.key == key)
    values = {run.numbers["advantage"]: advantage}
    for op in backward_slice(run.trace, [end], stop=[run.numbers["advantage"]]):
        if values.keys() & set(op.inputs):
            values[op.outputs[0]] = _called_again(op, values)
    return values[end]


def _called_again(op: Op, values: dict[int, torch.Tensor]) -> torch.Tensor:
    out = substitute(op, values)
    if not isinstance(out, torch.Tensor):
        raise NotApplicable(f"the normaliser calls `{op.name}`, which returns no single tensor")
    return out


def with_action_dimensions(subject: Subject, count: int) -> Subject:
    """The same subject on actions of `count` dimensions."""
    vectors = {role for role in VECTOR_ROLES if role in subject.available and "logits" not in role}
    wide = {role for role, tail in subject.layout.tails.items() if tail[-1:] > (1,)}  # a column has no dimensions
    by_dimension = vectors | (wide - {"value", "old_value"})
    tails = {**subject.layout.tails, **dict.fromkeys(by_dimension, (*subject.layout.tail, count))}
    return dataclasses.replace(subject, layout=dataclasses.replace(subject.layout, tails=tails))


def with_quantiles(subject: Subject, count: int) -> Subject:
    """The same subject with a critic of `count` quantiles."""
    tails = {**subject.layout.tails, "value": (count,), "old_value": (count,)}
    return dataclasses.replace(subject, layout=dataclasses.replace(subject.layout, tails=tails))


def clipped_quantiles(subject: Subject, quantiles: torch.Tensor, old_quantiles: torch.Tensor) -> torch.Tensor:
    """What the value clip makes of predicted quantiles (M, K), given the old ones."""
    several = with_quantiles(subject, quantiles.shape[-1])
    run = several.run(several.rows(len(quantiles), value=quantiles, old_value=old_quantiles))
    site = several.anatomy.sites.get("quantile_clip")
    made = [op for op in run.trace.ops if site is not None and op.key == site.key]
    if not made:
        raise NotApplicable("the clipped quantiles are not to be found in the recording")
    return run.trace.tensors[made[-1].outputs[0]].detach().double()


@dataclass(frozen=True)
class ClippedValue:
    """What a value clip makes of predictions, (M,), which roles of their rows it makes it from, and where.

    It is rescaled where statistics of another role go into it: values in units of the returns of a batch.
    """

    values: torch.Tensor
    depends_on: Roles
    place: Location | None
    is_rescaled: bool = False


def clipped_value(subject: Subject, value: torch.Tensor, old_value: torch.Tensor) -> ClippedValue | None:
    """The clipped prediction of each row as recorded; where a clamp acts on the value alone, what that clamp makes."""
    run = subject.run(subject.rows(len(value), value=value, old_value=old_value))
    roles, sites = subject.roles_of(run), subject.anatomy.sites
    site = sites.get("quantile_clip", sites.get("value_clip"))
    op = next((op for op in reversed(run.trace.ops) if site is not None and op.key == site.key), None)
    if op is None:
        return None
    made = run.trace.tensors[op.outputs[0]].detach().double().reshape(-1)
    by_row = _roles_of_rows(run)[op.outputs[0]] - SCALES
    is_rescaled = roles[op.outputs[0]] - SCALES != by_row
    return ClippedValue(made, by_row, location_of(op.site) if op.site else None, is_rescaled)


def _roles_of_rows(run: Run) -> Mapping[int, Roles]:
    """The roles that each value depends on other than through a single number for the whole batch."""
    ops = [op for op in run.trace.ops if any(run.trace.tensors[number].numel() > 1 for number in op.outputs)]
    return dependencies(dataclasses.replace(run.trace, ops=ops), run.numbers)


def near_and_far(subject: Subject) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Errors, (6,), and their gradients: at the old value, and where the prediction ran from it and the target."""
    error = torch.tensor([-3.0, -2.0, -1.6, 1.6, 2.0, 3.0], dtype=torch.float64)
    term, target = subject.term("value"), torch.zeros_like(error)
    near, far = (
        term.gradient("value", value=error, old_value=error - away, return_=target).reshape(6, -1).sum(-1)
        for away in (0 * error, 3.0 * error.sign())
    )
    return error, near, far
