"""The target as its caller calls it: whole batches in, the loss and every gradient out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ppo_audit.errors import TargetRaised
from ppo_audit.findings import Location
from ppo_audit.recording.parting import Faithful, outer_products, parting, turned_gradient, turned_non_finite, written
from ppo_audit.recording.trace import Op
from ppo_audit.subjects.batch import LOG_PROBS, Batch
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject, gradient_of

SEQUENCES, TOKENS = 8, 5
"""An ordinary batch; the two differ from each other and from every width, so that no shapes agree by chance."""


@dataclass(frozen=True)
class Observation:
    """What one call shows from outside."""

    loss: torch.Tensor
    gradients: Mapping[str, torch.Tensor]
    run: Run

    @property
    def is_finite(self) -> bool:
        return all(bool(tensor.isfinite().all()) for tensor in (self.loss, *self.gradients.values()))


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
        batch = self.in_tokens(tokens).rows(self.subject.capacity or sequences, self.subject.seed + seed)
        if ragged and "mask" in batch:
            batch["mask"] = self.mask(_ragged(batch["mask"]))  # type: ignore[arg-type]
        return batch

    def mask(self, keep: torch.Tensor) -> torch.Tensor:
        """A mask in the target's own polarity and dtype, from one that is 1 where an entry counts."""
        return self.subject.layout.mask(keep)

    def observe(self, batch: Batch) -> Observation:
        """Call the target once."""
        run = self.subject.run(batch)
        self.subject.count["cases"] += 1
        leaves = {role: leaf for role, leaf in run.leaves.items() if leaf.requires_grad}
        return Observation(run.loss.detach(), {role: gradient_of(run.loss, leaf) for role, leaf in leaves.items()}, run)

    def raised(self, batch: Batch, dtype: torch.dtype | None = None) -> TargetRaised | None:
        """What the target raises on a batch; None where it runs."""
        self.subject.count["cases"] += 1
        try:
            self.subject.run(batch, dtype)
        except TargetRaised as error:
            return error
        return None

    def changed(self, run: Run, batch: Batch) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The tensors that the target wrote into, by role: before and after."""
        sign = lambda role: self.subject.log_prob_sign if role in LOG_PROBS else 1
        before = {role: sign(role) * value for role, value in batch.items() if isinstance(value, torch.Tensor)}
        after = {role: run.given[role].detach() for role in before}
        return {role: (old, after[role]) for role, old in before.items() if not torch.equal(old.to(after[role].dtype), after[role])}

    def writing(self, run: Run, role: str) -> Location | None:
        """Where the target writes into the tensor of a role."""
        return self.place(written(run.trace, run.given[role]))

    def parting(self, first: Run, second: Run, faithful: Faithful) -> Location | None:
        """The first operation whose inputs correspond in two runs while its output does not."""
        return self.place(parting(first.trace, second.trace, (first.total, second.total), faithful))

    def turning_non_finite(self, run: Run) -> Location | None:
        """Where NaN or infinity first comes up, in the loss or, on the way back, in its gradients."""
        return self.place(turned_non_finite(run.trace, run.total) or turned_gradient(run.trace, run.total))

    def outer_product(self, run: Run) -> tuple[Op, list[torch.Size]] | None:
        """The first element-wise operation that pairs every row with every other, and the shapes of its operands."""
        found = outer_products(run.trace, self.subject.roles_of(run), self.subject.interventions)
        op = next(found, None)
        return None if op is None else (op, [run.trace.tensors[number].shape for number in op.inputs])

    def place(self, op: Op | None) -> Location | None:
        """The source line of an operation."""
        from ppo_audit.locate.source import location_of

        return location_of(op.site) if op is not None and op.site is not None else None


def _ragged(mask: torch.Tensor) -> torch.Tensor:
    """1 where an entry counts: sequence i keeps its first tokens, a different number of them each; rows, two of three."""
    if mask.dim() == 1 or mask.shape[1] == 1:
        keep = torch.arange(len(mask)) % 3 != 1
        return keep.to(torch.float64).reshape(mask.shape)
    lengths = 1 + torch.arange(len(mask)) * 2 % mask.shape[1]
    return (torch.arange(mask.shape[1]) < lengths[:, None]).to(torch.float64)
