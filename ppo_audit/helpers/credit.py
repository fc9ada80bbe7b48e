"""Helpers that normalise advantages, or turn the rewards of groups into advantages: rows in, rows out."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable, UsageError
from ppo_audit.helpers.alone import Alone
from ppo_audit.helpers.callee import unclear
from ppo_audit.helpers.rollout import as_form, as_tensor
from ppo_audit.settings import Settings
from ppo_audit.targets.calling import label
from ppo_audit.targets.helper_names import GROUP_IDS, GROUP_SIZE, NORMALISER, name_of, parameters_of
from ppo_audit.targets.names import role_of
from ppo_audit.targets.resolve import describe

ROWS, GROUP, TOKENS = 16, 4, 3
TRIAL = torch.linspace(-1.0, 1.4, ROWS, dtype=torch.float64)
FORMS = (("torch", "torch"), ("torch", "numpy"), ("torch", "list"), ("numpy", "numpy"), ("list", "list"))
"""Of rewards and of the ids of their groups."""
VALUES = frozenset(("advantage", "reward"))


@dataclass(frozen=True)
class Credit(Alone):
    """A helper of rows. `layout` is `rows`, (M,), `groups`, (P, G), or `tokens`, (M, T) with a reward on the last one,
    or `one group`, where each call is of a group.

    A group may be given by the shape of the rewards alone; where it is given by ids, they may have a form of their own.
    """

    form: str = "torch"
    layout: str = "rows"
    ids: str = "torch"
    dtype: torch.dtype = torch.float64
    mask_dtype: torch.dtype = torch.float64
    kind: str = "advantages"

    @property
    def in_float32(self) -> Credit:
        """The same helper in single precision."""
        return dataclasses.replace(self, dtype=torch.float32)

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        claims = {"policy": True, "normalisation": "advantage" in self.available}
        has = lambda name: claims[name] if name in claims else name.removeprefix("role:") in self.available
        return next((f"the helper takes no `{n.removeprefix('role:')}`" for n in names if not has(n)), None)

    def card(self) -> dict[str, object]:
        """How it was called."""
        return {"layout": self.layout, "form": self.form}

    def normalised(self, advantage: torch.Tensor | None = None, **roles: torch.Tensor) -> torch.Tensor:
        """What the helper makes of rows, (M,)."""
        rows = roles["reward"] if advantage is None else advantage
        with self.measuring(len(rows)):
            found = self._called(rows.to(self.dtype), roles)
        if found is None:
            raise NotApplicable("the helper returns nothing of the shape of its input")
        return found

    def trial(self, function: Callable[..., Any]) -> Credit | None:
        """The helper with its source edited; None where a normaliser then leaves advantages as they are."""
        other = dataclasses.replace(self, function=function)
        if "advantage" not in self.available:
            return other
        rows, keep = 3 * TRIAL, torch.arange(ROWS) % 4 > 0
        got = [other.normalised(rows)]
        if "mask" in self.available:
            got.append(other.normalised(rows, mask=keep.to(rows.dtype))[keep])
        return other if all(abs(float(each.std()) - 1) < 0.05 for each in got) else None

    def _called(self, rows: torch.Tensor, roles: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
        if self.layout == "one group":
            return self._group_by_group(rows, roles.get("group", torch.zeros(len(rows))))
        size = len(rows) // max(int(roles["group"].max()) + 1, 1) if "group" in roles else self._group_of(rows)
        given = {
            "group": roles.get("group", torch.arange(len(rows)) // size),
            "mask": roles.get("mask", torch.ones_like(rows)),
        }
        arguments = {
            name: size if role == "group_size" else self._laid(role, given.get(role, rows), size)
            for name, role in self.parameters.items()
        }
        outputs = self.returned(arguments)
        tensors = [
            tensor for out in outputs if (tensor := as_tensor(out)) is not None and tensor.numel() == self._size(rows)
        ]
        return tensors[0].reshape(len(rows), -1)[:, -1] if tensors else None

    @property
    def hint(self) -> object:
        """What the first parameter is said to be."""
        return next(iter(parameters_of(self.function).values())).annotation

    def _group_by_group(self, rows: torch.Tensor, groups: torch.Tensor) -> torch.Tensor | None:
        """One call for each group, since the function is told of no other."""
        alone = dataclasses.replace(self, layout="rows")
        made = torch.zeros(len(rows), dtype=torch.float64)
        for group in groups.unique():
            found = alone._called(rows[groups == group], {})
            if found is None:
                return None
            made[groups == group] = found
        return made

    def _group_of(self, rows: torch.Tensor) -> int:
        """How many rows go together: all of a normaliser that works row by row, and is told of no groups."""
        return len(rows) if not {"reward", "group", "group_size"} & set(self.parameters.values()) else GROUP

    def _size(self, rows: torch.Tensor) -> int:
        return len(rows) * (TOKENS if self.layout == "tokens" else 1)

    def _laid(self, role: str, rows: torch.Tensor, size: int) -> Any:
        """Rows as the helper takes them: a mask is that of every token, a reward stands on the last one."""
        if role == "group":
            return as_form(rows.reshape(-1, size) if self.layout == "groups" else rows, self.ids)
        if role == "mask":
            rows = rows.to(self.mask_dtype)
        if self.layout == "tokens":
            keeps = torch.ones(TOKENS) if role == "mask" else torch.arange(TOKENS) == TOKENS - 1
            return as_form(rows[:, None] * keeps.to(rows.dtype), self.form)
        return as_form(rows.reshape(-1, size) if self.layout == "groups" else rows, self.form)


def credit_parameters(function: Callable[..., Any], settings: Settings) -> dict[str, str] | None:
    """The roles of a function of rows, by parameter; None where it is no such function."""
    overrides = {name: role for role, name in settings.roles}
    names = parameters_of(function)
    roles = {name: overrides.get(name) or role_of(name) for name in names}
    if "reward" in roles.values() and "group" not in roles.values():
        roles |= {name: "group" for name in names if GROUP_IDS.match(name)}
    if set(roles.values()) & {
        "log_prob",
        "old_log_prob",
        "logits",
        "mean",
        "value",
        "return_",
    } and not NORMALISER.search(name_of(function)):
        return None
    if any("clip" in name for name in names):
        return None
    sizes = [
        name
        for name in names
        if GROUP_SIZE.match(name) and (names[name].default is names[name].empty or type(names[name].default) is int)
    ]
    grouped = bool(sizes) or "group" in roles.values()
    first = next(iter(names), None)
    if not set(roles.values()) & VALUES and first is not None and NORMALISER.search(name_of(function)):
        roles[first] = "advantage"
    if "reward" in roles.values() and not (grouped or "advantage" in name_of(function).lower()):
        return None
    if not set(roles.values()) & VALUES:
        return None
    taken = {name: role for name, role in roles.items() if role in VALUES | {"group", "mask"}}
    return taken | {name: "group_size" for name in sizes if roles["reward" if "reward" in roles else next(iter(taken))]}


def credit_helper(
    target: str, function: Callable[..., Any], parameters: Mapping[str, str], settings: Settings
) -> Credit:
    """Find the form in which a helper of rows takes them; raises UsageError where it does not let itself be called."""
    required = (
        {n for n, p in parameters_of(function).items() if p.default is p.empty}
        - parameters.keys()
        - dict(settings.values).keys()
    )
    if required:
        raise unclear(sorted(required)[0], function)
    error: BaseException | None = None
    works: list[Credit] = []
    listed = Credit(target, function, parameters, form="list")
    if _is_of_lists(listed):
        return dataclasses.replace(listed, layout="one group")
    for candidate in _candidates(target, function, parameters):
        try:
            if candidate._called(TRIAL, {}) is None:
                continue
        except RAISED_BY_A_TARGET as problem:
            error = error or problem
            continue
        works.append(candidate)
        if _is_of_one_group(candidate):
            return dataclasses.replace(candidate, layout="one group")
        if _heeds_its_groups(candidate):
            return candidate
    if works:
        return works[0]
    why = describe(error) if error else "it returned nothing of the shape of its input"
    raise UsageError(f"`{label(function)}` was called on rows of advantages or rewards, and could not be: {why}.")


def _is_of_one_group(candidate: Credit) -> bool:
    """Whether a function of rewards alone follows any order of all of them: it knows of nothing but one group."""
    if set(candidate.parameters.values()) != {"reward"}:
        return False
    if str(candidate.hint).replace("typing.", "").lower() in ("list[float]", "sequence[float]", "list[int]"):
        return True
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    one, other = candidate._called(TRIAL, {}), candidate._called(TRIAL[order], {})
    return one is not None and other is not None and torch.allclose(one[order], other, atol=1e-6)


def _is_of_lists(listed: Credit) -> bool:
    """Whether a function of rewards alone makes a list of numbers of one, and knows of nothing but one group."""
    if set(listed.parameters.values()) != {"reward"}:
        return False
    try:
        made = listed.function(**{name: TRIAL.tolist() for name in listed.parameters}, **listed.values)
        numbers = isinstance(made, list) and len(made) == ROWS and all(isinstance(each, float) for each in made)
        return numbers and _is_of_one_group(listed)
    except RAISED_BY_A_TARGET:
        return False


def _heeds_its_groups(candidate: Credit) -> bool:
    """Whether other ids give other results: as keys of a dict, numbers make groups where tensors make none."""
    if "group" not in candidate.available:
        return True
    interleaved = {"group": torch.arange(ROWS) % (ROWS // GROUP)}
    one, other = candidate._called(TRIAL, {}), candidate._called(TRIAL, interleaved)
    return one is not None and other is not None and not torch.equal(one, other)


def _candidates(target: str, function: Callable[..., Any], parameters: Mapping[str, str]) -> Iterator[Credit]:
    """Rows first; rows of groups where nothing else says which rewards belong together."""
    has_groups = bool({"group", "group_size"} & set(parameters.values()))
    layouts: tuple[str, ...] = (
        ("rows", "groups") if has_groups or "reward" not in parameters.values() else ("groups", "rows")
    )
    layouts += ("tokens",) if {"reward", "mask"} <= set(parameters.values()) else ()
    dtypes = (torch.float64, torch.bool) if "mask" in parameters.values() else (torch.float64,)
    for dtype, (form, ids), layout in itertools.product(dtypes, FORMS, layouts):
        yield Credit(target, function, parameters, form, layout, ids, mask_dtype=dtype)
