"""A helper as it is called: parameters with a role in a rollout, and containers that answer by name."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import UsageError
from ppo_audit.helpers.rollout import Convention, Rollout, encode, unshaped
from ppo_audit.subjects.run import modes_kept
from ppo_audit.targets.calling import label
from ppo_audit.targets.helper_names import parameters_of, roles_of_steps, rollout_role
from ppo_audit.targets.names import CONTAINER, ROLES

Outputs = dict[str, torch.Tensor]
RESULTS = ("advantages", "returns", "advantage", "return_", "ret", "adv", "value_targets", "value_target", "targets")
"""What a store is asked to hold before anything was put there: room for the answer."""


@dataclass(frozen=True)
class Callee:
    """A function of a rollout. `roles` are those of parameters and, after a first call, of names asked of `containers`.

    `parameters` tells which names of the signature go by position only.
    """

    function: Callable[..., Any]
    roles: Mapping[str, str]
    containers: tuple[str, ...]
    values: Mapping[str, Any]
    parameters: Mapping[str, bool]

    def outputs(self, rollout: Rollout, convention: Convention) -> Outputs:
        """What the function makes of a rollout, each (T, N) by name or position; in one dimension by environment."""
        if convention.layout != "T":
            return self._call(rollout, convention)
        columns = [self._call(rollout.column(env), convention) for env in range(rollout.reward.shape[1])]
        return {name: torch.cat([column[name] for column in columns], dim=1) for name in columns[0]}

    def _call(self, rollout: Rollout, convention: Convention) -> Outputs:
        arguments = encode(rollout, convention, self.roles)
        stores = {name: Store(arguments, len(rollout.reward)) for name in self.containers}
        with modes_kept():
            returned = self._called({**arguments, **stores, **self.values})
        found = named(returned) if returned is not None else {}
        for store in stores.values():
            found |= store.written()
        shaped = {name: unshaped(value, convention, *rollout.reward.shape) for name, value in found.items()}
        return {name: tensor for name, tensor in shaped.items() if tensor is not None}

    def _called(self, arguments: Mapping[str, Any]) -> Any:
        """Call with what the function has parameters for; the other names are those of a store."""
        positional = [
            arguments[name] for name, by_position in self.parameters.items() if by_position and name in arguments
        ]
        by_name = {n: arguments[n] for n, by_position in self.parameters.items() if not by_position and n in arguments}
        return self.function(*positional, **by_name)


class Store:
    """A buffer, batch or config: gives what it is asked for by role, and keeps what is put there."""

    def __init__(self, arguments: Mapping[str, Any], steps: int) -> None:
        object.__setattr__(self, "_arguments", arguments)
        object.__setattr__(self, "_steps", steps)
        object.__setattr__(self, "_kept", {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._kept:
            return self._kept[name]
        if name in self._arguments:
            return self._arguments[name]
        if name in RESULTS:
            self._kept[name] = 0 * next(
                iter(self._arguments[key] for key in self._arguments if rollout_role(key) == "reward")
            )
            return self._kept[name]
        if name in ("buffer_size", "num_steps", "n_steps", "steps", "pos"):
            return self._steps
        raise AskedFor(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._kept[name] = value

    __getitem__ = __getattr__
    __setitem__ = __setattr__

    def written(self) -> dict[str, Any]:
        """What the helper put here."""
        return dict(self._kept)


class AskedFor(Exception):
    """A store was asked for a name that it does not hold yet."""


def callee_of(function: Callable[..., Any], overrides: Mapping[str, str], values: Mapping[str, Any]) -> Callee:
    """Bind every parameter; raises UsageError naming the one whose role is unclear."""
    roles: dict[str, str] = {}
    containers: list[str] = []
    found = roles_of_steps(function, overrides)
    for name, parameter in parameters_of(function).items():
        role = found[name]
        if name in values:
            continue
        if role in TAKEN and not isinstance(parameter.default, bool | str):
            if parameter.default is None and role not in GIVEN_IF_OFFERED:
                continue
            roles[name] = role
        elif parameter.default is parameter.empty and is_container(name):
            containers.append(name)
        elif parameter.default is parameter.empty:
            raise unclear(name, function)
    if containers and "last_value" in roles.values():  # what comes beside a buffer lies behind its last step
        roles = {name: "next_done" if role == "done" else role for name, role in roles.items()}
    known = {name: value for name, value in values.items() if name in parameters_of(function)}
    by_position = {name: is_positional(parameter) for name, parameter in parameters_of(function).items()}
    return Callee(function, settled(roles), tuple(containers), known, by_position)


def settled(roles: Mapping[str, str]) -> dict[str, str]:
    """Beside flags of starts, a second flag is the one behind the last step."""
    flags = [name for name, role in roles.items() if role == "done"]
    starts = [name for name in flags if "start" in name or "first" in name]
    return {
        name: "next_done" if len(starts) == 1 and name in flags and name not in starts else role
        for name, role in roles.items()
    }


TAKEN = frozenset(
    "reward value next_value last_value final_value terminated truncated done next_done gamma gae_lambda horizon "
    "mask".split()
)


GIVEN_IF_OFFERED = frozenset("value next_done last_value next_value truncated done".split())
"""What a helper is given although it takes None for it."""


def is_positional(parameter: inspect.Parameter) -> bool:
    return parameter.kind is inspect.Parameter.POSITIONAL_ONLY


def is_container(name: str) -> bool:
    return bool(CONTAINER.match(name)) or "buf" in name


def asked(callee: Callee, name: str, overrides: Mapping[str, str]) -> Callee:
    """The callee with one more name that its store is asked for."""
    role = overrides.get(name) or rollout_role(name)
    if role not in TAKEN:
        raise unclear(name, callee.function)
    return dataclasses.replace(callee, roles=settled({**callee.roles, name: role}))


def unclear(name: str, function: Callable[..., Any]) -> UsageError:
    """The question to the user about a name that says nothing."""
    return UsageError(
        f"`{name}` of `{label(function)}`: its role is not clear from its name. Say which one it is, for instance "
        f"`--role reward={name}` or `--set {name}=0.1`. Roles: {', '.join(sorted(ROLES | TAKEN))}."
    )


def named(returned: Any) -> dict[str, Any]:
    """What a helper returned, by name or position."""
    if isinstance(returned, Mapping):
        return {str(name): value for name, value in returned.items()}
    if hasattr(returned, "_asdict"):
        return dict(returned._asdict())
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        return dict(vars(returned))
    if isinstance(returned, tuple) or (
        isinstance(returned, list) and len(returned) == 2 and hasattr(returned[0], "__len__")
    ):
        return {str(index): item for index, item in enumerate(returned)}
    return {"0": returned}
