"""The target as its caller calls it: whole batches in, the loss and every gradient out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable, TargetRaised
from ppo_audit.findings import Location
from ppo_audit.recording.graph import plain
from ppo_audit.recording.parting import (
    Faithful,
    column_maker,
    outer_products,
    parting,
    same,
    turned_gradient,
    turned_non_finite,
    written,
)
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.batch import LOG_PROBS, Batch
from ppo_audit.subjects.run import Run, is_our_average
from ppo_audit.subjects.subject import Subject, gradient_of

SEQUENCES, TOKENS = 8, 5
"""An ordinary batch; the two differ from each other and from every width, so that no shapes agree by chance."""
SUMS = frozenset("add sub rsub subtract".split())


@dataclass(frozen=True)
class Observation:
    """What one call shows from outside."""

    loss: torch.Tensor
    gradients: Mapping[str, torch.Tensor]
    run: Run

    @property
    def is_finite(self) -> bool:
        return not self.non_finite

    @property
    def numbers(self) -> dict[str, torch.Tensor]:
        """The loss and the gradient for each role, by name."""
        return {"loss": self.loss} | {f"d loss / d {role}": gradient for role, gradient in self.gradients.items()}

    @property
    def non_finite(self) -> list[str]:
        """Which of the numbers hold NaN or infinity."""
        return [name for name, tensor in self.numbers.items() if not bool(tensor.isfinite().all())]

    def unlike(self, other: Observation) -> list[str]:
        """Which of the numbers differ from another observation's, bit for bit."""
        return [name for name, tensor in self.numbers.items() if not same(tensor, other.numbers[name])]

    def moved(self, other: Observation, tolerance: float) -> list[str]:
        """Which of the numbers differ from another observation's by more than rounding."""
        return [name for name, tensor in self.numbers.items() if not _close(tensor, other.numbers[name], tolerance)]

    def reordered(self, order: torch.Tensor) -> Observation:
        """What is to be seen when all rows come in another order."""
        return Observation(self.loss, {role: gradient[order] for role, gradient in self.gradients.items()}, self.run)


@dataclass(frozen=True)
class OuterProduct:
    """An operation on shapes that do not belong together: where its column was made, and where it was used."""

    operation: str
    shapes: tuple[tuple[int, ...], ...]
    made: Location | None
    used: Location | None
    is_a_sum: bool
    """Whether the pairs are only added up and weigh alike: their mean is the sum of both means."""


@dataclass(frozen=True)
class Direct:
    """Calls of one target. Token layouts get sequences of several tokens, since a mask over one token shows little."""

    subject: Subject

    def in_tokens(self, tokens: int) -> Subject:
        """The subject with sequences of `tokens` tokens where its rows are sequences; a recording keeps its shapes."""
        layout = self.subject.layout
        if self.subject.capacity is not None or not layout.name.startswith("tokens"):
            return self.subject
        return dataclasses.replace(self.subject, layout=layout.tokens(tokens))

    def batch(self, sequences: int = SEQUENCES, tokens: int = TOKENS, seed: int = 0, ragged: bool = False) -> Batch:
        """An ordinary batch; a ragged one masks the ends of its sequences, or every third row where there are none."""
        subject = self.in_tokens(tokens)
        batch = subject.rows(self.subject.capacity or sequences, self.subject.seed + seed)
        if ragged and "mask" in batch:
            batch["mask"] = self.mask(_ragged(subject.layout.shape("mask", self.subject.capacity or sequences)))
        return batch

    def ragged_batch(self) -> tuple[Batch, torch.Tensor]:
        """A batch whose sequences end at different places, and where: true at masked entries."""
        return self.batch(ragged=True), _ragged(self.mask_shape) == 0

    @property
    def rows(self) -> int:
        return self.subject.capacity or SEQUENCES

    @property
    def mask_shape(self) -> tuple[int, ...]:
        return self.in_tokens(TOKENS).layout.shape("mask", self.rows)

    def mask(self, keep: torch.Tensor) -> torch.Tensor:
        """A mask in the target's own polarity and dtype, from one that is 1 where an entry counts."""
        return self.subject.layout.mask(keep)

    def observe(self, batch: Batch) -> Observation:
        """Call the target once."""
        run = self.subject.run(batch)
        leaves = {role: leaf for role, leaf in run.leaves.items() if leaf.requires_grad}
        gradients = {role: gradient_of(run.loss, leaf).cpu() for role, leaf in leaves.items()}
        return Observation(run.loss.detach().cpu(), gradients, run)

    def raised(self, batch: Batch, dtype: torch.dtype | None = None) -> TargetRaised | None:
        """What the target raises on a batch; None where it runs, whatever it returns."""
        try:
            self.subject.run(batch, dtype)
        except TargetRaised as error:
            return error
        except NotApplicable:  # it ran, and returned nothing to differentiate
            return None
        return None

    def is_constant(self, batch: Batch) -> bool:
        """Whether the target returns a number without a gradient: nothing to learn from this batch."""
        try:
            self.subject.run(batch)
        except TargetRaised:
            raise
        except NotApplicable:
            return True
        return False

    def changed(self, run: Run, batch: Batch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The tensors that the target wrote into, by role: before and after."""
        signs = dict.fromkeys(LOG_PROBS, self.subject.log_prob_sign)
        before = {role: signs.get(role, 1) * value for role, value in batch.items() if isinstance(value, torch.Tensor)}
        after = {role: run.given[role].detach().cpu() for role in before}
        pairs = {role: (old.to(after[role].dtype), after[role]) for role, old in before.items()}
        return {role: pair for role, pair in pairs.items() if not torch.equal(*pair)}

    def writing(self, run: Run, role: str) -> Location | None:
        """Where the target writes into the tensor of a role."""
        return self.place(written(run.trace, run.given[role]))

    def parting(self, first: Run, second: Run, faithful: Faithful = same) -> Location | None:
        """The first operation whose inputs correspond in two runs while its output does not."""
        return self.place(parting(first.trace, second.trace, (first.total, second.total), faithful))

    def is_left_to_the_caller(self, first: Run, second: Run, faithful: Faithful) -> bool:
        """Whether two runs part only where a loss given per element is averaged, which the target itself never does."""
        op = parting(first.trace, second.trace, (first.total, second.total), faithful)
        return op is not None and is_our_average(op)

    def turning_non_finite(self, run: Run) -> Location | None:
        """Where NaN or infinity first comes up, in the loss or, on the way back, in its gradients."""
        return self.place(turned_non_finite(run.trace, run.total) or turned_gradient(run.trace, run.total))

    def outer_product(self) -> OuterProduct | None:
        """The first element-wise operation of an ordinary call that pairs every row with every other."""
        run = self.observe(self.batch()).run
        roles = self.subject.roles_of(run)
        op = next(outer_products(run.trace, roles), None)
        if op is None:
            return None
        shapes = tuple(tuple(run.trace.tensors[number].shape) for number in op.inputs)
        made = self.place(column_maker(run.trace, roles, op))
        return OuterProduct(plain(op.name), shapes, made, self.place(op), _is_a_sum(run, op))

    def place(self, op: Op | None) -> Location | None:
        """The source line of an operation."""
        from ppo_audit.locate.source import location_of

        return location_of(op.site) if op is not None and op.site is not None else None


def _is_a_sum(run: Run, op: Op) -> bool:
    """Whether an operation adds, and every entry that it makes has the same weight in the loss."""
    pairs = run.trace.tensors[op.outputs[0]]
    if plain(op.name) not in SUMS or not pairs.requires_grad:
        return False
    weights = gradient_of(run.loss, pairs)
    return bool(weights.any()) and _close(weights, weights.mean().expand_as(weights), 1e-12)


def _ragged(shape: tuple[int, ...]) -> torch.Tensor:
    """1 where an entry counts: each sequence keeps a different number of its first tokens; of rows, two of three."""
    if len(shape) == 1 or shape[1] == 1:
        keep = torch.arange(shape[0]) % 3 != 1
        return keep.to(torch.float64).reshape(shape)
    lengths = 1 + (1 + 3 * torch.arange(shape[0])) % shape[1]
    return (torch.arange(shape[1]) < lengths[:, None]).to(torch.float64)


def _close(first: torch.Tensor, second: torch.Tensor, tolerance: float) -> bool:
    """Equal to rounding, on the scale of the largest entry; written so that NaN fails."""
    scale = first.abs().max().clamp_min(1e-6)
    return bool(((first - second).abs() <= 10 * tolerance * scale).all())
