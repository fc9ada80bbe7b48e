"""A ratio of probabilities, π(a|s) / π_old(a|s), read as exp(log π − log π_old): the same number, which rules know.

The target goes on dividing in its own code; what is recorded, cut and judged in place of the division is its logarithm.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.graph import dependencies, operands, plain
from ppo_audit.recording.trace import Intervention, OpKey, chosen
from ppo_audit.settings import Settings
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.boundary import POLICY_PARAMETERS
from ppo_audit.subjects.called import called_subject
from ppo_audit.subjects.run import Borrowed, Cuts, Evaluate, Interventions, Run
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.pieces import PROBABILITIES, of_probabilities

DIVISIONS = frozenset(("div", "true_divide", "divide", "rdiv"))
NEW, OLD = POLICY_PARAMETERS | {"action", "log_prob"}, frozenset(("old_log_prob",))


def quotient_subject(
    target: str, function: Callable[..., Any], probabilities: Mapping[str, str], settings: Settings
) -> Subject:
    """A function of probabilities, by parameter and role; raises UsageError where it divides none by another."""
    named = tuple((role, name) for role, name in settings.roles if name not in probabilities)
    own = dataclasses.replace(settings, roles=named)
    subject = called_subject(target, of_probabilities(function, probabilities), own, in_log_space)
    made = {"log_prob": "the logarithm of what the target makes of the policy's parameters"}
    said = made | {role: f"the logarithm of `{name}`" for name, role in probabilities.items()}
    # No probability is a negative log-prob: a quotient upside down is a fault.
    roles = {**subject.roles, **said}
    return dataclasses.replace(subject, roles=roles, log_prob_sign=1, piece=PROBABILITIES)


def in_log_space(evaluate: Evaluate, run: Run) -> tuple[Evaluate, Run]:
    """The evaluation with each division of the two policies' probabilities in logarithms, and the run made so."""
    keys = tuple(_quotients(run))
    if not keys:
        raise UsageError("it takes probabilities by name, and divides none by another.")

    def evaluated(batch: Batch, dtype: torch.dtype, cuts: Cuts, interventions: Interventions) -> Run:
        standing = {key: _exponential(chosen(interventions, key)) for key in keys}
        return evaluate(batch, dtype, cuts, {**interventions, **standing})

    batch = {role: run.leaves.get(role, given) for role, given in run.given.items()}
    return evaluated, evaluated(batch, torch.float64, {}, {})


def _quotients(run: Run) -> Iterator[OpKey]:
    roles = dependencies(run.trace, run.numbers)
    for op in run.trace.ops:
        pair = operands(op)
        if plain(op.name) not in DIVISIONS or len(pair) != 2:
            continue
        first, second = (roles.get(number, frozenset()) if number is not None else frozenset() for number in pair)
        if first and second and ((first <= NEW and second <= OLD) or (first <= OLD and second <= NEW)):
            yield op.key


def _exponential(edit: Intervention | Borrowed | None) -> Intervention | Borrowed:
    """The quotient of two positive tensors by their logarithms, or what an edit makes of that exponential."""
    if isinstance(edit, Borrowed):
        return edit

    def quotient(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        log_ratio = torch.log(args[0]) - torch.log(args[1])
        return edit(torch.exp, (log_ratio,), {}) if edit else torch.exp(log_ratio)

    return quotient
