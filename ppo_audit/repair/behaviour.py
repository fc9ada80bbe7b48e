"""What a subject computes on ordinary batches, so that edits can be told from one another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.helpers.controller import Controller
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.log_prob import LogProb
from ppo_audit.helpers.metric import ClipFraction
from ppo_audit.helpers.returns import ENDS, Returns
from ppo_audit.subjects.judged import Helper, Judged
from ppo_audit.subjects.subject import Subject

SEEDS = (11, 12, 13)
ROWS, TOKENS = 12, 3
ALIKE = 1e-6
"""Relative: two cures that agree so far on ordinary batches are the same cure."""
GUARDED = 1e-4
"""Relative: how far an epsilon in a denominator may move what an ordinary batch gives."""
STEPS = 4
KLS = (0.0, 0.001, 0.01, 0.02, 0.05, 0.2, 1.0)

NO_SETTINGS: Mapping[str, float] = MappingProxyType({})

Computed = list[torch.Tensor] | None


def behaviour(subject: Judged) -> Computed:
    """What a subject computes on ordinary batches: values and gradients; None where it cannot be compared."""
    try:
        if isinstance(subject, Subject):
            return [tensor for seed in SEEDS for tensor in _of_loss(subject, seed)]
        return _of_helper(subject)
    except Exception:  # an edit may break the target in any way
        return None


def _of_loss(subject: Subject, seed: int) -> list[torch.Tensor]:
    subject = _in_tokens(subject)
    count = subject.capacity or subject.whole_groups(ROWS)
    run = subject.run(subject.rows(count, seed, **_apart(subject, count, seed), **_padding(subject, count)))
    leaves = [leaf for leaf in run.leaves.values() if leaf.requires_grad]
    gradients = torch.autograd.grad(run.loss, leaves, allow_unused=True) if leaves and run.loss.requires_grad else ()
    zeros = [torch.zeros(()) if gradient is None else gradient.detach() for gradient in gradients]
    return [run.loss.detach(), *zeros]


def _in_tokens(subject: Subject) -> Subject:
    """The subject on sequences of several tokens, where it takes sequences with padding."""
    is_fixed = subject.capacity is not None or "mask" not in subject.available
    return subject if is_fixed else replace(subject, layout=subject.layout.tokens(TOKENS))


def _padding(subject: Subject, count: int) -> dict[str, torch.Tensor]:
    """A mask with which every sequence has a token that counts; of rows, two in three do."""
    if subject.capacity is not None or "mask" not in subject.available:
        return {}
    places = torch.arange(count * math.prod(subject.layout.shape("mask", 1)))
    return {"mask": (places % TOKENS < TOKENS - 1).double().reshape(subject.layout.shape("mask", count))}


def part_of(subject: Subject, role: str, settings: Mapping[str, float] = NO_SETTINGS) -> torch.Tensor:
    """How far the loss of ordinary rows moves with other values of one role: all else falls out."""
    count = subject.capacity or subject.whole_groups(ROWS)
    usual = {**subject.rows(count, SEEDS[0], **_apart(subject, count, SEEDS[0])), **settings}
    other = subject.rows(count, SEEDS[1], **_apart(subject, count, SEEDS[1]))
    return (subject.run(usual).loss - subject.run({**usual, role: other[role]}).loss).detach()


def _apart(subject: Subject, count: int, seed: int) -> dict[str, torch.Tensor]:
    """Rows on both sides of every clip: new log-probs and values far enough from the old ones."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: torch.randn(count, generator=generator, dtype=torch.float64)
    old_log_prob, old_value = -1.5 - draw().abs(), draw()
    drawn = {"old_log_prob": old_log_prob, "log_prob": old_log_prob + 0.6 * draw(), "advantage": draw() + 0.2}
    drawn |= {"old_value": old_value, "value": old_value + 0.8 * draw(), "return_": old_value + draw()}
    return {role: rows for role, rows in drawn.items() if role in subject.available}


def _of_helper(helper: Helper) -> list[torch.Tensor]:
    if isinstance(helper, Returns):
        return [tensor for seed in SEEDS for tensor in _of_rollout(helper, seed)]
    if isinstance(helper, Credit):
        generator = torch.Generator().manual_seed(SEEDS[0])
        rows = torch.randn(ROWS, generator=generator, dtype=torch.float64)
        return [helper.normalised(rows) if "advantage" in helper.available else helper.normalised(reward=rows)]
    if isinstance(helper, LogProb):
        return [helper.log_probs(helper.policies(seed), helper.actions()) for seed in SEEDS]
    if isinstance(helper, ClipFraction):
        log_ratio, advantage = (torch.linspace(-end, end, ROWS, dtype=torch.float64) for end in (0.7, -1.0))
        keep = (torch.arange(ROWS) % TOKENS < TOKENS - 1).double()
        return [torch.tensor(helper.share(log_ratio.roll(seed), advantage, keep)) for seed in SEEDS]
    if not isinstance(helper, Controller):
        raise NotApplicable("nothing is known of what it computes on ordinary batches")
    return [torch.tensor(helper.course(kl, STEPS), dtype=torch.float64) for kl in KLS]


def _of_rollout(helper: Returns, seed: int) -> list[torch.Tensor]:
    """What comes out of a rollout in which episodes end, and of one in which they do not."""
    ends = {**ENDS, "truncated": ((4, 2), (1, 0))} if "truncated" in helper.available else ENDS
    outputs = (helper.outputs(helper.rollout(each, seed)) for each in (ends, None))
    return [tensor for returned in outputs for tensor in returned.values()]


def alike(first: Computed, second: Computed, tolerance: float = ALIKE) -> bool:
    """Whether two subjects compute the same on ordinary batches."""
    if first is None or second is None or len(first) != len(second):
        return False
    return all(_close(a, b, tolerance) for a, b in zip(first, second, strict=True))


def _close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    first, second = one.double().reshape(-1), other.double().reshape(-1)
    return first.shape == second.shape and torch.allclose(first, second, rtol=tolerance, atol=1e-7, equal_nan=True)
