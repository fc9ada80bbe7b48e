"""Entropies that a loss computes from logits: what they would be a confusion of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.probes.quantities import term_gradient
from ppo_audit.reference import categorical_entropy
from ppo_audit.subjects.batch import CHOICES
from ppo_audit.subjects.subject import Subject

Compared = tuple[torch.Tensor, torch.Tensor]
ROWS = 16


def over_actions(target: Subject) -> Compared | None:
    """What the entropy weighs with four actions and with eight, and should; None unless it is halved by the second.

    Halved it is by a mean over actions. Other factors may be meant: a division by log K bounds the entropy by one.
    """
    try:
        few, many = (_weight(_with_choices(target, count)) for count in (CHOICES, 2 * CHOICES))
    except NotApplicable:  # a target may be built for its number of actions
        return None
    is_halved = abs(2 * many - few) <= 1e-3 * abs(few) and few != 0
    return (torch.tensor([many / few]), torch.ones(1)) if is_halved else None


def of_taken_action(subject: Subject) -> Compared | None:
    """The gradient of a term that is p log p of the action taken, and that of the entropy; None where it is not that.

    Nothing has such a term by design: its mean over actions is no entropy, and it falls where p falls below 1/e.
    """
    target = subject.direct.subject
    if subject.capacity is not None or not {"logits", "action"} <= target.available:
        return None
    if "log_prob" not in target.anatomy.families or target.layout.shape("logits", ROWS) != (ROWS, CHOICES):
        return None
    logits, action = _logits(CHOICES), torch.arange(ROWS) * 3 % CHOICES
    run = target.run(target.rows(ROWS, logits=logits, action=target.layout.lay("action", action)))
    got = term_gradient(target, "log_prob", "logits", run).reshape(logits.shape)
    taken = _gradient(logits, lambda leaf: _plogp(leaf, action))
    factor = (got * taken).sum() / (taken**2).sum()
    if not bool(((got - factor * taken).abs() <= 1e-6 * got.abs().max()).all()) or not bool(factor != 0):
        return None
    return (got / factor).flatten(), _gradient(logits, lambda leaf: -categorical_entropy(leaf)).flatten()


def _plogp(leaf: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    chosen = leaf.log_softmax(-1).gather(-1, action.unsqueeze(-1))
    return chosen.exp() * chosen


def _with_choices(target: Subject, count: int) -> Subject:
    """The same subject on choices among so many actions."""
    roles = {role for role in ("logits", "old_logits", "ref_logits") if role in target.available}
    wide: dict[str, tuple[int, ...]] = dict.fromkeys(roles, (*target.layout.tail, count))
    tails = {**target.layout.tails, **wide}
    return dataclasses.replace(target, layout=dataclasses.replace(target.layout, tails=tails))


def _weight(target: Subject) -> float:
    """How much the entropy counts in the loss, by its gradient at random logits."""
    shape = target.layout.shape("logits", ROWS)
    logits = _logits(shape[-1]).reshape(ROWS, *[1] * (len(shape) - 2), shape[-1])
    run = target.run(target.rows(ROWS, logits=logits.expand(shape)))
    got = term_gradient(target, "entropy", "logits", run).reshape(ROWS, -1, shape[-1]).sum(1)
    want = _gradient(logits.reshape(ROWS, shape[-1]), categorical_entropy)
    return float((got * want).sum() / (want**2).sum())


def _gradient(logits: torch.Tensor, of: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(of(leaf).sum(), [leaf])
    return gradient


def _logits(count: int) -> torch.Tensor:
    return torch.randn(ROWS, count, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def pulls_to_uniform(gradient: torch.Tensor, logits: torch.Tensor) -> bool:
    """Whether a term, as the loss adds it, is a multiple of - sum_a log p(a): it pulls all actions to one share."""
    want = logits.softmax(-1) - 1 / logits.shape[-1]
    factor = float((gradient * want).sum() / (want**2).sum())
    return factor > 0 and bool((gradient - factor * want).abs().max() <= 1e-6 * factor)
