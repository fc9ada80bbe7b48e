"""How a loss is reduced: gradients of whole batches, divisors made from sizes, and axes that may vanish."""

from __future__ import annotations

import inspect

import torch

from ppo_audit.findings import Location
from ppo_audit.probes.places import VALUE_READS, place_of, reads, recorded
from ppo_audit.recording.graph import backward_slice, operands, plain
from ppo_audit.recording.parting import QUOTIENTS
from ppo_audit.recording.trace import SHAPE_READS, Op, Read
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.run import total_of
from ppo_audit.subjects.subject import Subject, gradient_of
from ppo_audit.targets.helper_names import MEAN

OURS = inspect.getsourcefile(total_of)
CREDIT = frozenset(("advantage", "return_", "value", "log_prob"))


def gradients_of(subject: Subject, batch: Batch) -> dict[str, torch.Tensor]:
    """The gradient of the total for log-prob, value and entropy, as far as the loss has them."""
    run = subject.run(batch)
    live = {
        role: leaf
        for role, leaf in run.leaves.items()
        if role in ("log_prob", "value", "entropy") and leaf.requires_grad
    }
    return {role: gradient_of(run.loss, leaf) for role, leaf in live.items()}


def constant_divisor(subject: Subject) -> Location | None:
    """A division by the number 1, in whose columns the target reads a size: a guard that swallows the size."""
    run = recorded(subject)
    for op in backward_slice(run.trace, [run.total], stop=run.numbers.values()):
        by_one = plain(op.name) in QUOTIENTS and operands(op)[1:2] == (None,) and op.args[1] == 1
        if by_one and any(_within(read, op) for read in run.trace.reads):
            return place_of(op)
    return None


def _within(read: Read, op: Op) -> bool:
    """Whether a size is read in the columns of an operation."""
    if read.site is None or op.site is None or read.name not in SHAPE_READS:
        return False
    start, end = (op.site.line, op.site.column), (op.site.end_line, op.site.end_column)
    return read.site.file == op.site.file and start <= (read.site.line, read.site.column) <= end


def data_reads(subject: Subject) -> Location | None:
    """Where the target turns data into a plain number, on which it may then depend."""
    found = list(reads(recorded(subject), subject, CREDIT, VALUE_READS))
    return found[0] if found else None


def squeezes(subject: Subject) -> Location | None:
    """Where the target calls `squeeze` without a dimension."""
    run = recorded(subject)
    bare = [op for op in run.trace.ops if plain(op.name) == "squeeze" and len(op.args) == 1 and not op.kwargs]
    return place_of(bare[0]) if bare else None


def divides_by_spread(subject: Subject) -> bool:
    """Whether a term divides by a spread of the batch: it normalises, and couples samples by design."""
    run, sites = recorded(subject), subject.anatomy.sites
    keys = {sites[name].key for name in ("value_spread", "policy_spread") if name in sites}
    spreads = {number for op in run.trace.ops if op.key in keys for number in op.outputs}
    followers = {number for op in run.trace.ops if spreads.intersection(op.inputs) for number in op.outputs}
    return any(
        plain(op.name) in QUOTIENTS and (spreads | followers).intersection(op.inputs[1:]) for op in run.trace.ops
    ) or any(plain(op.name) in ("rsqrt", "softmax") and op.key in keys for op in run.trace.ops)


def token_weights(subject: Subject) -> tuple[torch.Tensor, torch.Tensor]:
    """The weight that a masked reduction gives to each entry, (B, T), and where entries count."""
    batch, masked = subject.direct.ragged_batch()
    return subject.direct.observe(batch).gradients["value"].double(), ~masked


def dividing(subject: Subject) -> Location | None:
    """The last thing that a reduction does to its numbers in its own code: a result per sequence is averaged by us."""
    run = recorded(subject)
    own = [op for part in subject.parts(run) for op in part.ops if op.site is not None and op.site.file != OURS]
    return place_of(own[0]) if own else None


def claims_mean(subject: Subject) -> bool:
    """Whether the name of a reduction speaks of a mean."""
    return bool(MEAN.search(subject.target.rpartition(":")[2]))
