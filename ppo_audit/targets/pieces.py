"""Pieces of a loss, made whole: a surrogate of a given ratio, a ratio by itself, an objective that is to be maximised,
an entropy of each dimension.

Each is wrapped into a function that the rules can judge: the ratio is formed from log-probs, credit and sign are added,
a loss that has lost its gradient gets one of zero.
What the wrapper adds is never judged; it is plain mathematics of one line.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ppo_audit.targets.names import RATIO_NAMES, role_of

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
Function = Callable[..., Any]
_PROBABILITY = r"(policy_|actions?_|act_|taken_)?prob(s|abilit(y|ies))?(_a|_actions?|_taken)?"
OLD_PROBABILITIES = re.compile(
    rf"^(b_|mb_|batch_)?((old|prev|previous|behaviou?r|stored|sampled)_{_PROBABILITY}|{_PROBABILITY}_old|(old_pi|pi_old))$"
)
NEW_PROBABILITIES = re.compile(rf"^((new|cur|curr|current)_)?({_PROBABILITY}|{_PROBABILITY}_new|new_pi|pi_new|pi)$")


def given_ratio(function: Function, roles: Mapping[str, str]) -> str | None:
    """The parameter that is a probability ratio: by the user's word, else by its name beside an advantage."""
    if "ratio" in roles:
        return roles["ratio"]
    parameters = _parameters(function)
    taken = set(roles.values())
    if not any(roles.get("advantage") == name or role_of(name) == "advantage" for name in parameters):
        return None
    names = [name for name, p in parameters.items() if name in RATIO_NAMES and name not in taken and _is_needed(p)]
    return names[0] if len(names) == 1 else None


def of_log_probs(function: Function, ratio: str) -> Function:
    """The function of a ratio as one of log-probs: r = exp(log π − log π_old)."""
    parameters = _parameters(function)
    named = {role_of(name): name for name in parameters}
    new, old = named.get("log_prob", "log_prob"), named.get("old_log_prob", "old_log_prob")
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in (new, old) if name not in parameters]

    @functools.wraps(function)
    def whole(**given: Any) -> Any:
        formed = torch.exp(given[new] - given[old])
        own = {name: x for name, x in given.items() if name not in {p.name for p in added}}
        return function(**own, **{ratio: formed})

    return _with_parameters(whole, [p for name, p in parameters.items() if name != ratio] + added)


def given_probabilities(function: Function, roles: Mapping[str, str]) -> dict[str, str]:
    """The parameters that are probabilities of the action taken, with the role of their logarithm.

    There is one of the old policy; where the new one has none, the target makes it of the policy's parameters.
    """
    names = [name for name, p in _parameters(function).items() if _is_needed(p)]
    old = [name for name in names if OLD_PROBABILITIES.match(name)]
    new = [name for name in names if NEW_PROBABILITIES.match(name)]
    has_credit = any(roles.get("advantage") == name or role_of(name) == "advantage" for name in names)
    if len(old) != 1 or len(new) > 1 or not has_credit:
        return {}
    return {old[0]: "old_log_prob"} | dict.fromkeys(new, "log_prob")


def of_probabilities(function: Function, probabilities: Mapping[str, str]) -> Function:
    """The function of probabilities, by parameter and role, as one of their logarithms."""

    @functools.wraps(function)
    def whole(**given: Any) -> Any:
        own = {name: x for name, x in given.items() if name not in probabilities.values()}
        return function(**own, **{name: given[role].exp() for name, role in probabilities.items()})

    kept = [p for name, p in _parameters(function).items() if name not in probabilities]
    added = [inspect.Parameter(role, inspect.Parameter.KEYWORD_ONLY) for role in probabilities.values()]
    return _with_parameters(whole, kept + added)


def credited(function: Function) -> Function:
    """A function that returns a ratio as the loss −r A."""
    parameters = _parameters(function)

    @functools.wraps(function)
    def whole(**given: Any) -> Any:
        advantage = given.pop("advantage")
        return -(function(**given) * advantage)

    added = inspect.Parameter("advantage", inspect.Parameter.KEYWORD_ONLY)
    return _with_parameters(whole, [*parameters.values(), added])


def negated(function: Function) -> Function:
    """The loss of an objective; what is no single tensor stays as it is."""

    @functools.wraps(function)
    def whole(*args: Any, **given: Any) -> Any:
        returned = function(*args, **given)
        return -returned if isinstance(returned, torch.Tensor) else returned

    return _with_parameters(whole, list(inspect.signature(function).parameters.values()))


def summed(function: Function) -> Function:
    """A function that gives a number for each dimension, as the sum that its caller takes."""

    @functools.wraps(function)
    def whole(*args: Any, **given: Any) -> Any:
        return function(*args, **given).sum(-1)

    return _with_parameters(whole, list(inspect.signature(function).parameters.values()))


def kept_alive(function: Function) -> Function:
    """A loss that has lost its gradient, with a gradient of zero for whatever it is given: then it can be judged."""

    @functools.wraps(function)
    def whole(*args: Any, **given: Any) -> Any:
        returned = function(*args, **given)
        live = [x for x in (*args, *given.values()) if isinstance(x, torch.Tensor) and x.requires_grad]
        nothing = sum((0.0 * x.sum() for x in live), start=torch.zeros(()))
        if isinstance(returned, tuple | list):
            return (returned[0] + nothing, *returned[1:])
        return returned + nothing if isinstance(returned, torch.Tensor) else returned

    return _with_parameters(whole, list(inspect.signature(function).parameters.values()))


WHOLE, RATIO, OBJECTIVE, PROBABILITIES, DIMENSION = "loss", "ratio", "objective", "probabilities", "dimension"
COMPLETED: Mapping[str, Callable[[Function], Function]] = {RATIO: credited, OBJECTIVE: negated, DIMENSION: summed}
"""How a piece of a loss is made whole, by what it is."""


def is_called_objective(function: Function, *, is_clipped: bool) -> bool:
    """Whether the name of a function says that it is to be maximised, as papers write surrogates.

    The unclipped `surrogate_loss` of a trust region is climbed as often as it is descended.
    """
    name = getattr(function, "__name__", "").lower()
    named = bool(re.search(r"surrogate|objective", name))
    return named and ("loss" not in name or (not is_clipped and "surrogate_loss" in name))


def _parameters(function: Function) -> dict[str, inspect.Parameter]:
    """The parameters that can be given by name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    return {name: p for name, p in parameters.items() if p.kind not in POSITIONAL}


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty


def _with_parameters(function: Any, parameters: list[inspect.Parameter]) -> Function:
    by_name = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters if p.kind not in POSITIONAL]
    kept = [p for p in parameters if p.kind in POSITIONAL]
    function.__signature__ = inspect.Signature([*(p for p in kept if p.kind == POSITIONAL[0]), *by_name])
    return function  # type: ignore[no-any-return]
