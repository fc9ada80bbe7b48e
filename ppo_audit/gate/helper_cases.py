"""Helpers under the gate: rollouts with ends of every kind, rows in groups, under the convention that was stored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.gate.cases import Case
from ppo_audit.gate.grids import spread
from ppo_audit.gate.reading import Operation, Reading, empty, noise_among
from ppo_audit.gate.rounding import rounded
from ppo_audit.helpers.controller import Controller
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.returns import Returns, told
from ppo_audit.helpers.rollout import ENVS, STEPS, Rollout

ENDS = {
    "no episode ends": ((), ()),
    "episodes end": (((2, 0), (0, 1), (3, 1), (4, 1), (5, 2), (6, 0)), ()),
    "episodes are truncated": ((), ((1, 0), (4, 2), (6, 1))),
    "episodes end and are truncated": (((2, 0), (5, 1)), ((3, 0), (4, 2), (6, 2))),
}
ROWS = 16
ROUNDINGS = 3
UPDATES, MANY = 12, 200
FAILURES = (NotApplicable, KeyError, RuntimeError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)


@dataclass(frozen=True)
class ReturnsGauge:
    """A helper of rollouts."""

    helper: Returns

    def cases(self) -> list[Case]:
        """Rollouts with each kind of end, at several discounts, sizes and dtypes of the flags."""
        plain = [_case(name, _rollout(ends)) for name, ends in ENDS.items()]
        both = _rollout(ENDS["episodes end and are truncated"])
        turned = [
            _case(f"gamma {gamma:g} and lambda {lambda_:g}", dataclasses.replace(both, gamma=gamma, lambda_=lambda_))
            for gamma, lambda_ in ((1.0, 1.0), (0.6, 0.0), (0.99, 0.5))
        ]
        sized = [_case(f"rewards of {size:g}", both.scaled(size)) for size in (10.0, 1e-3)]
        flags = [
            Case(f"flags of {dtype}", {"rollout": both, "flag_dtype": dtype}, _labels(both))
            for dtype in ("bool", "int", "float")
        ]
        return [*plain, *turned, *sized, *flags]

    def read(self, case: Case) -> Reading:
        """Everything that the helper returns for a rollout."""
        convention = dataclasses.replace(
            self.helper.convention, flag_dtype=case.batch.get("flag_dtype", self.helper.convention.flag_dtype)
        )
        rollout = told(case.batch["rollout"], convention, self.helper.available)
        try:
            outputs = self.helper.callee.outputs(rollout, convention)
        except Exception as error:  # the target's own, of whatever kind; its name is what is compared
            return empty(case, type(error).__name__)
        found = {f"returned {name}": _flat(tensor) for name, tensor in outputs.items()}
        return Reading(case.name, case.dtype, numbers=found)

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """How far the numbers move when rewards and values move by a rounding."""
        moved = [self.read(dataclasses.replace(case, batch={**case.batch, "rollout": _nudged(case.batch["rollout"])}))]
        for start in range(ROUNDINGS):
            callee = dataclasses.replace(self.helper.callee, function=rounded(self.helper.function, start))
            moved.append(ReturnsGauge(dataclasses.replace(self.helper, callee=callee)).read(case))
        return noise_among(reading.numbers, [each.numbers for each in moved])

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """Helpers loop over lists and arrays, which the recorder does not see."""
        return ()


@dataclass(frozen=True)
class CreditGauge:
    """A helper that normalises advantages or makes them of the rewards of groups."""

    helper: Credit

    def cases(self) -> list[Case]:
        """Rows of several sizes, constant ones, groups of several sizes and ragged masks; in both precisions."""
        found = [Case(name, {"rows": rows}) for name, rows in _row_sets()]
        drawn = spread("reward", (ROWS,))
        if "group" in self.helper.available:
            found += [Case(f"groups of {n}", {"rows": drawn, "group": torch.arange(ROWS) // n}) for n in (1, 2, 4, 16)]
            found += [Case("interleaved groups", {"rows": drawn, "group": torch.arange(ROWS) % 4})]
        if "mask" in self.helper.available:
            keep = (torch.arange(ROWS) % 3 != 1).double()
            labels = {"mask": tuple("mask 1" if k else "rows with mask 0" for k in keep.tolist())}
            found += [Case("ragged mask", {"rows": drawn, "mask": keep}, labels)]
            found += [Case("everything masked", {"rows": drawn, "mask": 0 * keep})]
        return [*found, dataclasses.replace(found[0], dtype="float32")]

    def read(self, case: Case) -> Reading:
        """What the helper makes of the rows."""
        helper = dataclasses.replace(self.helper, dtype=getattr(torch, case.dtype))
        given = {role: value for role, value in case.batch.items() if role != "rows"}
        try:
            out = helper.normalised(case.batch["rows"], reward=case.batch["rows"], **given)
        except FAILURES as error:
            return empty(case, type(error.__cause__ or error).__name__)
        return Reading(case.name, case.dtype, computes_in=case.dtype, numbers={"returned 0": _flat(out)})

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """How far the numbers move when the rows move by a rounding."""
        rows = case.batch["rows"].to(getattr(torch, case.dtype)).double()
        step = torch.finfo(getattr(torch, case.dtype)).eps * (1 - 2 * (torch.arange(len(rows)) % 2))
        moved = [self.read(dataclasses.replace(case, batch={**case.batch, "rows": rows * (1 + step)}))]
        for start in range(ROUNDINGS):
            helper = dataclasses.replace(self.helper, function=rounded(self.helper.function, start))
            moved.append(CreditGauge(helper).read(case))
        return noise_among(reading.numbers, [each.numbers for each in moved])

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """Helpers of rows may compute in arrays, which the recorder does not see."""
        return ()


def _row_sets() -> Iterator[tuple[str, torch.Tensor]]:
    drawn = spread("reward", (ROWS,))
    yield "ordinary rows", drawn
    yield "more rows", spread("advantage", (2 * ROWS,))
    yield "four rows", drawn[:4]
    yield "two rows", drawn[:2]
    yield "one row", drawn[:1]
    yield "constant rows", torch.full((ROWS,), 0.5, dtype=torch.float64)
    yield "rows of 0", torch.zeros(ROWS, dtype=torch.float64)
    yield "rows of 1e-7", 1e-7 * drawn
    yield "rows of 1e5, spread 1", 1e5 + drawn
    yield "rewards of 0 and 1", (torch.arange(ROWS) % 3 == 0).double()


def _rollout(ends: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]) -> Rollout:
    flags = [torch.zeros(STEPS, ENVS, dtype=torch.bool) for _ in ends]
    for flag, places in zip(flags, ends, strict=True):
        for step, env in places:
            flag[step, env] = True
    reward, value, beyond = (spread(role, (STEPS, ENVS)) for role in ("reward", "value", "beyond"))
    following = torch.cat([value[1:], beyond[-1:]])
    ended = flags[0] | flags[1]
    return Rollout(reward, value, torch.where(ended, beyond, following), flags[0], flags[1])


def _case(name: str, rollout: Rollout) -> Case:
    return Case(name, {"rollout": rollout}, _labels(rollout))


def _labels(rollout: Rollout) -> dict[str, tuple[str, ...]]:
    """How the step ended, for every entry of (T, N)."""
    words = {
        (False, False): "steps within an episode",
        (True, False): "terminated steps",
        (False, True): "truncated steps",
    }
    pairs = zip(rollout.terminated.reshape(-1).tolist(), rollout.truncated.reshape(-1).tolist(), strict=True)
    last = [step == STEPS - 1 for step in range(STEPS) for _ in range(ENVS)]
    return {
        "step": tuple(words[pair] for pair in pairs),
        "place": tuple("the last step" if e else "earlier steps" for e in last),
    }


def _nudged(rollout: Rollout) -> Rollout:
    step = torch.finfo(torch.float64).eps * (1 - 2 * (torch.arange(STEPS * ENVS) % 2)).reshape(STEPS, ENVS)
    return dataclasses.replace(rollout, reward=rollout.reward * (1 + step), value=rollout.value * (1 - step))


def _flat(tensor: torch.Tensor) -> tuple[float, ...]:
    return tuple(tensor.detach().double().reshape(-1).tolist())


@dataclass(frozen=True)
class ControllerGauge:
    """A controller that follows a measured KL: the course of what it adapts, at several KLs."""

    helper: Controller

    def cases(self) -> list[Case]:
        """KLs from none at all to far beyond any target."""
        return [Case(f"a KL of {kl:g}", {"kl": kl}) for kl in (0.0, 1e-4, 3e-3, 0.011, 0.04, 0.09, 0.3, 2.0, 50.0)]

    def read(self, case: Case) -> Reading:
        """What is adapted, before and after each of a few updates, and where many more of them lead."""
        try:
            course = self.helper.course(case.batch["kl"], MANY)
        except FAILURES as error:
            return empty(case, type(error.__cause__ or error).__name__)
        shown = (*course[:UPDATES], course[-1])
        return Reading(case.name, case.dtype, numbers={f"course of {self.helper.adapts}": shown})

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """How far the course moves when the KL moves by a rounding."""
        moved = self.read(dataclasses.replace(case, batch={"kl": case.batch["kl"] * (1 + 2**-52)}))
        return noise_among(reading.numbers, [moved.numbers])

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """Controllers compute in plain numbers, which the recorder does not see."""
        return ()
