"""How the length of a response weighs in: the modes that a target's own argument names, and what it then does.

A mode is declared by an argument that speaks of aggregation and holds the name of a known mode, by default or by
`--set`. Other names of modes that the target's code compares with are measured as well.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location
from ppo_audit.probes.options import function_of, texts, with_value
from ppo_audit.probes.places import parts_of, place_of, recorded
from ppo_audit.recording.graph import plain
from ppo_audit.recording.parting import QUOTIENTS
from ppo_audit.subjects.subject import Subject
from ppo_audit.subjects.variants import CONSTANT, SEQUENCE_MEAN, SEQUENCE_SUM, TOKEN_MEAN, length_weighting

ARGUMENT = re.compile(r"agg|reduction|avg|averag|loss_type|length_norm|normali[sz]ation", re.IGNORECASE)
MODES: Mapping[str, tuple[str, ...]] = {
    "token-mean": (TOKEN_MEAN, CONSTANT),
    "token_mean": (TOKEN_MEAN, CONSTANT),
    "dapo": (TOKEN_MEAN, CONSTANT),
    "seq-mean-token-mean": (SEQUENCE_MEAN,),
    "sequence_mean": (SEQUENCE_MEAN,),
    "grpo": (SEQUENCE_MEAN,),
    "seq-mean-token-sum": (SEQUENCE_SUM,),
    "seq-mean-token-sum-norm": (CONSTANT, SEQUENCE_SUM),
    "dr_grpo": (CONSTANT, SEQUENCE_SUM),
}
"""What each name may be measured to be: tokens counted over all devices are a constant for the loss."""


@dataclass(frozen=True)
class Weighting:
    """What a target does in one declared mode."""

    argument: str
    mode: str
    measured: str
    place: Location | None

    @property
    def holds(self) -> bool:
        return self.measured in MODES[self.mode]


def weightings(subject: Subject) -> Iterator[Weighting]:
    """Each declared mode as measured, the one in force first; none where the target declares none."""
    for argument, value in texts(subject).items():
        if value in MODES and ARGUMENT.search(argument):
            others = [mode for mode in sorted(_compared(subject)) if mode != value]
            for mode in (value, *others):
                found = _measured(with_value(subject, argument, mode), argument, mode)
                if found is not None:
                    yield found


def _measured(subject: Subject, argument: str, mode: str) -> Weighting | None:
    try:
        measured = length_weighting(subject)
        place = _last_reduction(subject)
    except NotApplicable:
        return None
    return None if measured is None else Weighting(argument, mode, measured, place)


def _last_reduction(subject: Subject) -> Location | None:
    """Where the policy term becomes a number: what comes before, the modes may share."""
    parts = parts_of(subject, recorded(subject), "policy")
    ops = [op for part in parts for op in part.ops if plain(op.name) in ("mean", "sum", *QUOTIENTS)]
    return place_of(ops[0] if ops else None)


def _compared(subject: Subject) -> set[str]:
    """Names of modes that stand in the code of the target, or of functions of its module that it calls."""
    function = function_of(subject)
    function = getattr(function, "__func__", function)
    return set(_constants(function, set())) & MODES.keys() if isinstance(function, types.FunctionType) else set()


def _constants(function: Callable[..., Any], seen: set[Any]) -> Iterator[str]:
    code, names = function.__code__, function.__globals__
    seen.add(function)
    for constant in code.co_consts:
        yield from [constant] if isinstance(constant, str) else _texts_in(constant)
    called = [names.get(name) for name in code.co_names]
    for other in called:
        if isinstance(other, types.FunctionType) and other not in seen and other.__module__ == function.__module__:
            yield from _constants(other, seen)


def _texts_in(constant: Any) -> list[str]:
    return [item for item in constant if isinstance(item, str)] if isinstance(constant, tuple | frozenset) else []
