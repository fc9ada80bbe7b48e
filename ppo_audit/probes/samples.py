"""Which fields of a minibatch must agree row by row, and which samples an epoch uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy
import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.probes.loop import fresh, steps_before, uses
from ppo_audit.recording.graph import plain
from ppo_audit.recording.loop import Loop, first_repeat
from ppo_audit.subjects.subject import Subject


def pairs_that_belong(loop: Loop) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
    """(role, what it holds, what the sample's other fields say), of the first minibatch before any step."""
    try:
        roles = fresh(loop).roles
    except NotApplicable:
        return
    flat = {role: tensor.detach().double().flatten() for role, tensor in roles.items()}
    rows = flat["log_prob"].numel()
    whole = {role: values for role, values in flat.items() if values.numel() == rows}
    if "old_log_prob" in whole:
        yield "old_log_prob", whole["old_log_prob"], whole["log_prob"]
    if {"advantage", "return_", "value"} <= whole.keys() and not steps_before(loop, uses(loop)[0], "value"):
        yield "advantage", whole["advantage"], whole["return_"] - whole["value"]


def epochs(loop: Loop) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The samples of the first two epochs; raises NotApplicable where two whole ones were not seen or told apart."""
    seen = uses(loop)
    end = first_repeat(seen)
    if end is None or len(seen) < 2 * end:
        raise NotApplicable("two whole epochs over the same samples were not recorded")
    first, second = seen[:end], seen[end : 2 * end]
    counts = Counter(sample for minibatch in first for sample in minibatch.samples)
    if max(counts.values()) > 1:
        raise NotApplicable("samples cannot be told apart: some are used twice in an epoch, or are equal")
    return frozenset(counts), frozenset(sample for minibatch in second for sample in minibatch.samples)


def drawn_twice(subject: Subject, role: str) -> tuple[int, int] | None:
    """An index that the first minibatch selects more than once, and how often; None where every one is there once."""
    op = subject.origins.get(role)
    if op is None or plain(op.name) not in ("getitem", "index_select"):
        return None
    index = torch.as_tensor(op.args[-1]) if isinstance(op.args[-1], torch.Tensor | numpy.ndarray) else None
    if index is None or index.dtype == torch.bool or index.dim() != 1 or not index.numel():
        return None
    values, counts = index.unique(return_counts=True)
    most = int(counts.argmax())
    return (int(values[most]), int(counts[most])) if int(counts[most]) > 1 else None
