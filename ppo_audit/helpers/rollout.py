"""Rollouts, and how a helper takes them: time along an axis of its own, flags in one of several conventions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch

STEPS, ENVS = 7, 3
"""Unlike each other and any usual size, so that no axes agree by chance."""


@dataclass(frozen=True)
class Rollout:
    """Steps of several environments, all (T, N). `next_value` is that of the observation the step really led to."""

    reward: torch.Tensor
    value: torch.Tensor
    next_value: torch.Tensor
    terminated: torch.Tensor
    truncated: torch.Tensor
    gamma: float = 0.9
    lambda_: float = 0.8

    @property
    def ended(self) -> torch.Tensor:
        return self.terminated | self.truncated

    @property
    def regime(self) -> str:
        """What kind of rollout it is: its shape, how its episodes end, how it discounts."""
        ends = f"{bool(self.terminated.any())} {bool(self.truncated.any())} {bool(self.ended[-1].any())}"
        return f"{tuple(self.reward.shape)} {ends} {self.gamma} {self.lambda_}"

    def column(self, env: int) -> Rollout:
        """One environment alone."""
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        cut: dict[str, Any] = {k: v[:, env : env + 1] for k, v in values.items() if isinstance(v, torch.Tensor)}
        return dataclasses.replace(self, **cut)

    def scaled(self, factor: float) -> Rollout:
        """The same in another unit of reward."""
        scaled = {name: factor * getattr(self, name) for name in ("reward", "value", "next_value")}
        return dataclasses.replace(self, **scaled)


@dataclass(frozen=True)
class Convention:
    """How a helper takes a rollout and gives its answer, as found by trying.

    `timing` is `end` where flag t says that step t ended its episode, `start` where it says that step t began one.
    `flags` counts the flags beyond the steps. Where `reads_returns`, raw advantages are read off the returns. `lambda_`
    and `gamma` are those built in where they are no arguments.
    """

    form: str = "torch"
    layout: str = "T,N"
    values: int = 0
    successor: str = "none"
    last: str = "row"
    timing: str = "end"
    flags: int = 0
    negated: bool = False
    flag_dtype: str = "float"
    done_is: str = "ended"
    lambda_: float | None = None
    gamma: float | None = None
    advantage: str | None = None
    returns: str | None = None
    normalised: int | None = None
    monte_carlo_returns: bool = False
    reads_returns: bool = False
    agreement: float = field(default=0.0, compare=False)

    @property
    def has_bootstrap(self) -> bool:
        """Whether the value behind the last step is at hand."""
        return self.values > 0 or self.successor != "none"

    @property
    def over(self) -> tuple[int, ...]:
        """The dimensions of (T, N) over which a helper can normalise: what sees one environment at a time, only T."""
        return (0,) if self.layout == "T" else (0, 1)


def encode(rollout: Rollout, convention: Convention, roles: Mapping[str, str]) -> dict[str, Any]:
    """Each parameter's argument, by name, as the convention has it; `roles` maps names of parameters to roles."""
    return {name: _argument(rollout, convention, name, role, roles) for name, role in roles.items()}


def _argument(rollout: Rollout, convention: Convention, name: str, role: str, roles: Mapping[str, str]) -> Any:
    if role in ("gamma", "gae_lambda", "horizon"):
        return {"gamma": rollout.gamma, "gae_lambda": rollout.lambda_, "horizon": len(rollout.reward)}[role]
    if role in ("last_value", "next_done") or (role == "next_value" and convention.successor == "last"):
        return _last(rollout, convention, role)
    return _shaped(_steps(rollout, convention, name, role, set(roles.values())), convention)


def _steps(rollout: Rollout, convention: Convention, name: str, role: str, roles: set[str]) -> torch.Tensor:
    """The tensor of a role, (T, N) or longer, before it is laid out."""
    if role == "value":
        return torch.cat([rollout.value, *[rollout.next_value[-1:]] * convention.values])
    if role == "done":
        has_truncated = "truncated" in roles and convention.done_is == "terminated"
        return _flags(rollout.terminated if has_truncated else rollout.ended, convention)
    if role in ("terminated", "truncated"):
        plain = dataclasses.replace(convention, timing="end", flags=0, negated=False)
        return _flags(getattr(rollout, role), plain)
    if role == "final_value":
        return torch.where(rollout.truncated, rollout.next_value, 0.0)
    if role == "mask":
        return _as_dtype(torch.ones_like(rollout.terminated), convention.flag_dtype)
    return {"reward": rollout.reward, "next_value": rollout.next_value}[role]


def _flags(ended: torch.Tensor, convention: Convention) -> torch.Tensor:
    flags = ended
    if convention.timing == "start":
        flags = torch.cat([torch.zeros_like(ended[:1]), ended])[: len(ended) + convention.flags]
    return _as_dtype(~flags if convention.negated else flags, convention.flag_dtype)


def _as_dtype(flags: torch.Tensor, dtype: str) -> torch.Tensor:
    return flags.to({"float": torch.float64, "bool": torch.bool, "int": torch.int64}[dtype])


def _last(rollout: Rollout, convention: Convention, role: str) -> Any:
    """What is known behind the last step, (N,); where flags mark ends it must not be used, so it is told wrong."""
    ended = rollout.ended[-1] if convention.timing == "start" else ~rollout.ended[-1]
    row = (
        rollout.next_value[-1] if role != "next_done" else _as_dtype(ended ^ convention.negated, convention.flag_dtype)
    )
    form = "torch" if convention.form == "mixed" and role != "next_done" else convention.form
    if convention.layout == "T":
        return as_form(row[:1] if convention.last == "row" else row[0], form)
    shape = {"row": row.shape, "leading": (1, len(row)), "column": (len(row), 1)}[convention.last]
    return as_form(row.reshape(shape), form)


def _shaped(tensor: torch.Tensor, convention: Convention) -> Any:
    """(T, N) in the helper's layout and form."""
    layouts = {"T": tensor[:, 0], "T,N": tensor, "N,T": tensor.T.contiguous(), "T,N,1": tensor.unsqueeze(-1)}
    return as_form(layouts[convention.layout], convention.form)


def as_form(tensor: torch.Tensor, form: str) -> Any:
    """A fresh tensor, array, list or number; `mixed` is arrays beside a bootstrap that the critic gave as a tensor."""
    if form == "list":
        return tensor.tolist()
    return tensor.clone() if form == "torch" else tensor.numpy().copy()


def unshaped(output: Any, convention: Convention, steps: int, envs: int) -> torch.Tensor | None:
    """What a helper returned as (T, N); None where it has another size."""
    tensor = as_tensor(output)
    if tensor is None or tensor.numel() != steps * envs:
        return None
    return tensor.reshape(envs, steps).T if convention.layout == "N,T" else tensor.reshape(steps, envs)


def as_tensor(output: Any) -> torch.Tensor | None:
    """Whatever holds numbers as a float64 tensor."""
    if isinstance(output, torch.Tensor):
        return output.detach().cpu().double()
    if isinstance(output, list | tuple) and any(_is_nested(item) for item in output):
        return None
    try:
        array = numpy.asarray(
            [item.item() if hasattr(item, "item") and getattr(item, "ndim", 1) == 0 else item for item in output]
            if isinstance(output, list | tuple)
            else output,
            dtype=float,
        )
    except (TypeError, ValueError, RuntimeError):
        return None
    return torch.from_numpy(array.copy())


def _is_nested(item: Any) -> bool:
    """Whether a row holds rows: no rollout is that deep, and a list that holds itself has no end."""
    return isinstance(item, list | tuple) and any(isinstance(inner, list | tuple) for inner in item)
