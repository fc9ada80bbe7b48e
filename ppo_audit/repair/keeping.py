"""What an edit must leave as it was: how a helper is called, what was right of it, and the terms of a loss apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.helpers.controller import Controller
from ppo_audit.helpers.returns import Returns
from ppo_audit.repair.behaviour import alike, part_of
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.subject import Subject

ROLES = {"policy": "advantage", "entropy": "entropy"}
"""What only this term of a loss depends on: how the loss moves with it tells the term from all others."""
COEFFICIENTS = {"value_coef": "value", "entropy_coef": "entropy", "kl_coef": "kl"}
"""The term that each of them scales, and no other."""
ARGUMENTS = ("form", "values", "successor", "last", "timing", "flags", "negated", "done_is")
"""Of how a helper of rollouts is called, what its caller decides."""
OFF_TARGET, FEW = (0.01, 0.1, 0.25, 0.6, 1.8, 4.0, 10.0, 100.0), 3
"""KLs in multiples of the target, and how many measurements of each."""


def is_kept(before: Judged, after: Judged) -> bool:
    """Whether what the rules do not ask for is as it was."""
    if not _numbers(before) <= _numbers(after) or (_normalises(before) and not _normalises(after)):
        return False
    if _scales_others(after) and not _scales_others(before):
        return False
    return _is_called_alike(before, after) and _keeps_its_course(before, after)


def _normalises(subject: Judged) -> bool:
    """Whether the loss makes its advantages of mean zero and deviation one."""
    try:
        normaliser = subject.profile.normalisation if isinstance(subject, Subject) else None
    except NotApplicable:
        return False
    return normaliser is not None and normaliser.ddof is not None


def _numbers(subject: Judged) -> frozenset[str]:
    """What a loss returns that is a single number: its caller calls `backward` on it."""
    if not isinstance(subject, Subject):
        return frozenset()
    try:
        run = subject.run(subject.rows(subject.capacity or subject.whole_groups(8)))
    except NotApplicable:
        return frozenset()
    return frozenset(key for key, tensor in run.outputs.items() if tensor.dim() == 0)


def _scales_others(subject: Judged) -> bool:
    """Whether the coefficient of one term scales another."""
    if not isinstance(subject, Subject):
        return False
    try:
        return any(_scales(subject, name, role) for name, role in _strangers(subject))
    except NotApplicable:
        return False


def _strangers(subject: Subject) -> Iterator[tuple[str, str]]:
    """Coefficients that can be set, each with a role that only another term depends on."""
    for name, own in COEFFICIENTS.items():
        yield from (
            (name, role)
            for term, role in ROLES.items()
            if name in subject.scalars and role in subject.available and term != own
        )


def _scales(subject: Subject, coefficient: str, role: str) -> bool:
    doubled = {coefficient: 2 * subject.scalars[coefficient] + 1}
    return not alike([part_of(subject, role)], [part_of(subject, role, doubled)])


def moves_with_the_critic(subject: Judged) -> bool:
    """Whether a trainer, which uses each sample more than once, takes its advantages from values of the moment.

    Stopping their gradient is then no cure: those of the rollout may be meant.
    """
    return isinstance(subject, Subject) and subject.kind == "trainer" and enters(subject, "value", ("policy",))


def _is_called_alike(before: Judged, after: Judged) -> bool:
    """Whether a helper of rollouts still takes the arguments that its callers give."""
    if not isinstance(before, Returns) or not isinstance(after, Returns):
        return True
    was, now = before.convention, after.convention
    is_laid_alike = now.layout in (was.layout, "T")  # one environment alone, where Python decides by a flag
    return is_laid_alike and all(getattr(was, name) == getattr(now, name) for name in ARGUMENTS)


def _keeps_its_course(before: Judged, after: Judged) -> bool:
    """Whether a controller still does what it did wherever that was right; one that never moves leaves all open."""
    if not isinstance(before, Controller) or not isinstance(after, Controller):
        return True
    if after.aim is None:
        return False
    kls, wanted = [after.aim * factor for factor in OFF_TARGET], 1 if before.should_rise else -1
    moves = {kl: before.tendency(kl, FEW) * (1 if kl > after.aim else -1) * wanted for kl in kls}
    course = lambda controller, kl: torch.tensor(controller.course(kl, FEW), dtype=torch.float64)
    is_kept = (alike([course(before, kl)], [course(after, kl)]) for kl, move in moves.items() if move > 0)
    return any(moves.values()) and all(is_kept)


def enters(subject: Subject, role: str, terms: Sequence[str]) -> bool:
    """Whether a role enters one of these terms; where a fix takes it out, the loss may move with it otherwise."""
    run = subject.run(subject.rows(subject.capacity or subject.whole_groups(8)))
    roles = subject.roles_of(run)
    return any(part.family in terms and role in roles[part.atom] for part in subject.parts(run))
