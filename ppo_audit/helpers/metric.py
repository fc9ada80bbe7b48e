"""Functions that count how many samples are clipped, from log-probs, log-ratios or ratios."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable
from ppo_audit.helpers.alone import Alone
from ppo_audit.helpers.rollout import as_form, as_tensor
from ppo_audit.settings import Settings
from ppo_audit.targets.helper_names import CLIP_FRACTION, RATIO, name_of, parameters_of
from ppo_audit.targets.names import DEFAULT_VALUES, role_of

OLD = -1.5
SOURCES = ({"log_prob", "old_log_prob"}, {"ratio"}, {"log_ratio"})
BESIDE = frozenset(("advantage", "mask", "clip_range", "clip_range_high"))


@dataclass(frozen=True)
class ClipFraction(Alone):
    """A clip fraction: `low` and `high` are the bounds on the ratio; rows are (M,) or, `in_tokens`, two sequences."""

    low: float
    high: float
    form: str = "torch"
    in_tokens: bool = False
    kind: str = "metric"

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        known = ("policy", "hard_clip", "role:old_log_prob")
        return next((f"the helper counts, and has no `{name}`" for name in names if name not in known), None)

    def card(self) -> dict[str, object]:
        """What it counts, and how it was called."""
        return {"metric": "clip fraction", "clip_range": [self.low, self.high], "form": self.form}

    def trial(self, function: Callable[..., Any]) -> ClipFraction | None:
        """The helper with its source edited, which may need another form."""
        forms = (dataclasses.replace(self, function=function, form=form) for form in (self.form, "numpy"))
        return next((each for each in forms if _counts(each) is not None), None)

    def share(self, log_ratio: torch.Tensor, advantage: torch.Tensor, keep: torch.Tensor | None = None) -> float:
        """What the helper says of samples with these log-ratios; `keep` is 1 where an entry counts."""
        with self.measuring(len(log_ratio)):
            found = self.called(log_ratio, advantage, torch.ones_like(log_ratio) if keep is None else keep)
        if found is None:
            raise NotApplicable("the helper returns no single number")
        return found

    def called(self, log_ratio: torch.Tensor, advantage: torch.Tensor, keep: torch.Tensor) -> float | None:
        """The first number that the function returns; None where it returns something larger."""
        given = {
            "log_prob": OLD + log_ratio,
            "old_log_prob": torch.full_like(log_ratio, OLD),
            "ratio": log_ratio.exp(),
            "log_ratio": log_ratio,
            "advantage": advantage,
            "mask": keep,
        }
        lay = lambda tensor: as_form(tensor.reshape(2, -1) if self.in_tokens else tensor, self.form)
        scalars = {"clip_range": 1 - self.low, "clip_range_high": self.high - 1}
        arguments = {n: scalars[r] if r in scalars else lay(given[r]) for n, r in self.parameters.items()}
        found = next(iter(self.returned(arguments)), None)
        tensor = None if found is None else as_tensor(found)
        return float(tensor) if tensor is not None and tensor.numel() == 1 else None


def clip_fraction_helper(target: str, function: Callable[..., Any], settings: Settings) -> ClipFraction | None:
    """A function that counts clipped samples, by its name or by what it counts; None where it is none."""
    parameters = _parameters(function, settings)
    if parameters is None:
        return None
    known = {name: value for name, value in settings.values if name in parameters_of(function)}
    low, high = _bounds(function, parameters, settings)
    for form in ("torch", "numpy"):
        for in_tokens in (False, True) if "mask" not in parameters.values() else (True, False):
            found = ClipFraction(target, function, parameters, low, high, form, in_tokens, values=known)
            counts = _counts(found)
            if counts is not None and (counts == (True, True) or CLIP_FRACTION.search(name_of(function))):
                return found
    return None


def _counts(candidate: ClipFraction) -> tuple[bool, bool] | None:
    """Whether it is zero inside the clip, and positive outside; None where it cannot be called."""
    advantage = torch.tensor([1.0, 2.0, -1.0, -3.0], dtype=torch.float64)
    sides = torch.tensor([candidate.high - 1, candidate.low - 1] * 2, dtype=torch.float64)
    try:
        inside, outside = (
            candidate.called((factor * sides).log1p(), advantage, torch.ones(4, dtype=torch.float64))
            for factor in (0.3, 1.9)
        )
    except RAISED_BY_A_TARGET:
        return None
    return None if inside is None or outside is None else (inside == 0, outside > 0)


def _bounds(function: Callable[..., Any], parameters: Mapping[str, str], settings: Settings) -> tuple[float, float]:
    """The bounds on the ratio: as the user set them, as the function's defaults have them, or the usual ones."""
    given = {n: p.default for n, p in parameters_of(function).items()} | dict(settings.values)
    numbers = {role_of(name): value for name, value in given.items() if isinstance(value, int | float)}
    low = float(numbers.get("clip_range", DEFAULT_VALUES["clip_range"]))
    high = float(numbers.get("clip_range_high", low))
    return 1 - low, 1 + high


def _parameters(function: Callable[..., Any], settings: Settings) -> Mapping[str, str] | None:
    """The roles of parameters, where they are those of a ratio and of nothing that makes a loss of it."""
    overrides, set_by_user = {name: role for role, name in settings.roles}, dict(settings.values)
    names = {name: parameter for name, parameter in parameters_of(function).items() if name not in set_by_user}
    roles = {name: overrides.get(name) or ratio_role(name) or role_of(name) for name in names}
    optional = {name for name, parameter in names.items() if parameter.default is not parameter.empty}
    masks = {name for name in optional if roles[name] == "mask" and names[name].default is None}
    known = BESIDE.union(*SOURCES)
    taken = {name: role for name, role in roles.items() if role in known and name not in optional - masks}
    sources = {*taken.values()} - BESIDE
    return taken if sources in SOURCES and taken.keys() | optional == names.keys() else None


def ratio_role(name: str) -> str | None:
    """Ratios and log-ratios have no role in a loss, which makes them itself."""
    found = RATIO.match(name.lower())
    return None if found is None else "log_ratio" if found["log"] else "ratio"
