"""What all helpers have in common that are judged by what they return: parameters with roles, and calls that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ppo_audit.errors import RAISED_BY_A_TARGET, TargetRaised
from ppo_audit.helpers.callee import named
from ppo_audit.subjects.run import modes_kept
from ppo_audit.targets.resolve import culprit, describe


@dataclass(frozen=True)
class NoRecording:
    """What a helper shows of its inside: nothing."""

    sites: Mapping[str, Any] = field(default_factory=dict)
    guards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alone:
    """A function judged by itself. `parameters` maps its parameters to roles, `values` are what the user set."""

    target: str
    function: Callable[..., Any]
    parameters: Mapping[str, str]
    values: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    count: Counter[str] = field(default_factory=Counter, kw_only=True)
    capacity: None = field(default=None, kw_only=True)
    anatomy: NoRecording = field(default_factory=NoRecording, kw_only=True)

    @property
    def available(self) -> frozenset[str]:
        """The roles that a case may set."""
        return frozenset(self.parameters.values())

    @property
    def roles(self) -> dict[str, str]:
        """How each role is passed."""
        return {role: f"`{name}`" for name, role in self.parameters.items()}

    def explains(self, code: str) -> tuple[str, ...]:
        """Such helpers have no order of rules of their own."""
        return ()

    def returned(self, arguments: Mapping[str, Any]) -> list[Any]:
        """What one call returns, part by part; modes that the target changes do not outlive it."""
        with modes_kept():
            return list(named(self.function(**arguments, **self.values)).values())

    @contextmanager
    def measuring(self, cases: int, calls: int = 1) -> Iterator[None]:
        """Calls on so many cases; what the target itself raises is told as such."""
        self.count["evaluations"] += calls
        self.count["cases"] += cases
        self.count[f"stratum {cases} cases"] += calls
        try:
            with modes_kept():
                yield
        except RAISED_BY_A_TARGET as error:
            raise (TargetRaised(describe(error)) if culprit(error) else error) from error
