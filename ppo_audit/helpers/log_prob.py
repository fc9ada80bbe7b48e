"""Functions that give the log-prob of an action: from logits, or from the mean and deviation of a Gaussian.

What cancels in a ratio is free: constants, and what depends on the action alone, such as the correction of a squashed
action. So a helper is judged by differences between two policies, at the same action.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable
from ppo_audit.helpers.alone import Alone
from ppo_audit.helpers.rollout import as_form, as_tensor
from ppo_audit.reference import gaussian_log_prob
from ppo_audit.settings import Settings
from ppo_audit.targets.helper_names import ACTION, LOGARITHM, NEGATIVE, name_of, parameters_of
from ppo_audit.targets.names import role_of

Policies = dict[str, torch.Tensor]
ACTIONS, DIMENSIONS, CHOICES = 12, 3, 4
PARAMETERS = frozenset("logits mean log_std std action mask".split())
LAYOUTS = ("rows", "column", "tokens", "next token")


@dataclass(frozen=True)
class LogProb(Alone):
    """A log-prob function. `layout`: actions (M,), (M, 1), (B, T), or one place behind their logits; `sign` is -1 for
    negative log-probs; `is_apart` where it leaves the sum over action dimensions to its caller.
    """

    form: str = "torch"
    layout: str = "rows"
    sign: int = 1
    is_apart: bool = False
    kind: str = "log_prob"

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        known = {"policy", "ratio", "role:log_prob", "role:old_log_prob"}
        has = lambda name: name in known or name.removeprefix("role:") in self.available
        return next((f"the helper takes no `{n.removeprefix('role:')}`" for n in names if not has(n)), None)

    def card(self) -> dict[str, object]:
        """What of, and how it was called."""
        of = "of a choice" if self.is_categorical else "of a Gaussian"
        told: dict[str, object] = {"log_prob": of, "layout": self.layout, "form": self.form}
        told |= {"log_prob_sign": "negative log-probs"} if self.sign < 0 else {}
        return told | ({"action_dimensions": "left apart"} if self.is_apart else {})

    @property
    def is_categorical(self) -> bool:
        return "logits" in self.available

    def trial(self, function: Callable[..., Any]) -> LogProb:
        """The helper with its source edited."""
        return dataclasses.replace(self, function=function)

    def policies(self, seed: int) -> Policies:
        """The parameters of a policy for each of twelve actions, no deviation and no probability near zero."""
        generator = torch.Generator().manual_seed(seed)
        draw = lambda width: torch.randn(ACTIONS, width, generator=generator, dtype=torch.float64)
        if self.is_categorical:
            return {"logits": draw(CHOICES)}
        return {"mean": 0.3 * draw(DIMENSIONS), "log_std": 0.4 * draw(DIMENSIONS) - 0.2}

    def actions(self) -> torch.Tensor:
        """The actions, (M,) or (M, D); Gaussian ones within (-1, 1), where squashed ones live."""
        if self.is_categorical:
            return torch.arange(ACTIONS) * 7 % CHOICES
        return torch.linspace(-0.7, 0.8, ACTIONS * DIMENSIONS, dtype=torch.float64).reshape(ACTIONS, DIMENSIONS)

    def log_probs(self, policies: Policies, action: torch.Tensor) -> torch.Tensor:
        """The joint log-prob of each action under its own policy, (M,)."""
        with self.measuring(len(action)):
            found = self.called(policies, action)
        if found is None:
            raise NotApplicable("the helper returns no number for each action")
        return self.sign * (found.sum(-1) if found.dim() > 1 else found)

    def called(self, policies: Policies, action: torch.Tensor) -> torch.Tensor | None:
        """What the function returns, (M,) or, with the dimensions apart, (M, D); None where it is of another size."""
        given = self._laid(policies, action)
        arguments = {name: as_form(given[role], self.form) for name, role in self.parameters.items()}
        found = next(iter(self.returned(arguments)), None)
        tensor = None if found is None else as_tensor(found)
        if tensor is None or not self.sizes(tensor, len(action)):
            return None
        return tensor.reshape(len(action), -1) if tensor.numel() > len(action) else tensor.reshape(-1)

    def sizes(self, tensor: torch.Tensor, count: int) -> bool:
        """Whether a result holds a number for each action, or for each of its dimensions."""
        return tensor.numel() == count or (not self.is_categorical and tensor.numel() == count * DIMENSIONS)

    def _laid(self, policies: Policies, action: torch.Tensor) -> Policies:
        given = {**policies, "action": action, "mask": torch.ones(len(action), dtype=torch.float64)}
        if "log_std" in given:
            given["std"] = given["log_std"].exp()
        if self.layout == "column":
            given["action"] = action.unsqueeze(-1)
        elif self.layout != "rows":
            given = {role: tensor.reshape(2, -1, *tensor.shape[1:]) for role, tensor in given.items()}
        if self.layout == "next token":
            given["action"] = torch.cat([given["action"][:, :1], given["action"]], 1)
            given["logits"] = torch.cat([given["logits"], given["logits"][:, :1]], 1)
        return given


def exact(judged: LogProb, policies: Policies, action: torch.Tensor) -> Iterator[torch.Tensor]:
    """The log-probs that the helper may mean, (M,), up to what cancels: of the action, or of the one it squashes."""
    if judged.is_categorical:
        yield policies["logits"].log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
        return
    for taken in (action, action.atanh()):
        yield gaussian_log_prob(taken, policies["mean"], policies["log_std"])


def log_prob_helper(target: str, function: Callable[..., Any], settings: Settings) -> LogProb | None:
    """A log-prob function, and how it is called; None where it is none."""
    parameters = _parameters(function, settings)
    if parameters is None:
        return None
    known = {name: value for name, value in settings.values if name in parameters_of(function)}
    sign = -1 if NEGATIVE.search(name_of(function)) else 1
    layouts = LAYOUTS if "logits" in parameters.values() else LAYOUTS[:1]
    for form, layout in itertools.product(("torch", "numpy"), layouts):
        candidate = LogProb(target, function, parameters, form, layout, sign, values=known)
        found = _answer(candidate)
        if found is not None and (LOGARITHM.search(name_of(function)) or not _are_probabilities(found)):
            return dataclasses.replace(candidate, is_apart=found.dim() > 1)
    return None


def _answer(candidate: LogProb) -> torch.Tensor | None:
    try:
        return candidate.called(candidate.policies(0), candidate.actions())
    except RAISED_BY_A_TARGET:
        return None


def _are_probabilities(found: torch.Tensor) -> bool:
    """Whether the numbers are probabilities, which a function that does not speak of logarithms may well return."""
    return bool(((found > 0) & (found <= 1)).all())


def _parameters(function: Callable[..., Any], settings: Settings) -> Mapping[str, str] | None:
    """The roles of parameters, where they are those of a policy and an action and of nothing else."""
    overrides, set_by_user = {name: role for role, name in settings.roles}, dict(settings.values)
    names = {name: parameter for name, parameter in parameters_of(function).items() if name not in set_by_user}
    roles = {name: overrides.get(name) or role_of(name) for name in names}
    if "logits" in roles.values() and "action" not in roles.values():
        roles |= {name: "action" for name in names if ACTION.match(name)}
    taken = {name: role for name, role in roles.items() if role in PARAMETERS and _is_tensor(names[name], role)}
    required = {name for name, parameter in names.items() if parameter.default is parameter.empty}
    pairs = ({"logits", "action"}, {"mean", "std", "action"}, {"mean", "log_std", "action"})
    has_pair = any(pair == {*taken.values()} - {"mask"} for pair in pairs)
    return taken if has_pair and required <= taken.keys() and len({*taken.values()}) == len(taken) else None


def _is_tensor(parameter: Any, role: str) -> bool:
    return parameter.default is parameter.empty or (role == "mask" and parameter.default is None)
