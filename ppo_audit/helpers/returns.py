"""Helpers that turn rewards into advantages and returns: their convention, and what they compute under it."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable, TargetRaised, UsageError
from ppo_audit.helpers.callee import AskedFor, Callee, Outputs, asked, callee_of
from ppo_audit.helpers.rollout import ENVS, STEPS, Convention, Rollout
from ppo_audit.reference import discounted_returns, gae
from ppo_audit.settings import Settings
from ppo_audit.targets.calling import label
from ppo_audit.targets.helper_names import name_of
from ppo_audit.targets.resolve import culprit, describe

Ends = Mapping[str, Sequence[tuple[int, int]]]
Axes = tuple[int, ...]
ENDS: Ends = {"terminated": ((2, 0), (0, 1), (3, 1), (4, 1), (5, 2), (6, 0))}
"""Where episodes end in a usual probe, as (step, environment): the first step, two in a row, the last step."""
TOLERANCE = 1e-6
BUILT_IN = (1.0, 0.95, 0.97, 0.98, 0.9, 0.99, 0.0)
"""Values of gamma and lambda that are tried where a helper takes none."""


@dataclass(frozen=True)
class Returns:
    """A helper of rollouts, judged alone. `missing` says which needs of rules it does not meet."""

    target: str
    callee: Callee
    convention: Convention
    shortlist: tuple[Convention, ...] = ()
    count: Counter[str] = field(default_factory=Counter)
    seed: int = 0
    kind: str = "returns"
    is_trial: bool = False

    @property
    def function(self) -> Callable[..., Any]:
        return self.callee.function

    @property
    def available(self) -> frozenset[str]:
        return frozenset(self.callee.roles.values())

    @property
    def roles(self) -> dict[str, str]:
        return {role: f"`{name}`" for name, role in self.callee.roles.items()}

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        claims = {
            "flags": bool(self.available & {"done", "terminated"}),
            "both_outputs": self.convention.advantage is not None and self.convention.returns is not None,
            "value": "value" in self.available,
        }
        absent = [name for name in names if not self._has(name, claims)]
        return ABSENT.get(absent[0], f"the helper takes no `{absent[0].removeprefix('role:')}`") if absent else None

    def _has(self, name: str, claims: Mapping[str, bool]) -> bool:
        return claims[name] if name in claims else name.removeprefix("role:") in self.available

    def card(self) -> dict[str, object]:
        """The convention in words: how it was called."""
        found = self.convention
        plain = dataclasses.asdict(Convention())
        differing = {name: value for name, value in dataclasses.asdict(found).items() if value != plain[name]}
        outputs = {"advantage": found.advantage, "returns": found.returns}
        told = (
            {"layout": found.layout, "form": found.form}
            | differing
            | {k: v for k, v in outputs.items() if v is not None}
        )
        return {name: value for name, value in told.items() if name != "agreement" and value is not None}

    def rollout(self, ends: Ends | None = None, seed: int = 0, **settings: float) -> Rollout:
        """A rollout that the helper can be told: what it has no argument for is as it is built in."""
        if self.convention.lambda_ is not None:
            settings["lambda_"] = self.convention.lambda_
        if self.convention.gamma is not None:
            settings["gamma"] = self.convention.gamma
        return told(make_rollout(ends or {}, self.seed + seed, settings), self.convention, self.available)

    def advantage(self, rollout: Rollout) -> torch.Tensor:
        """Advantages, (T, N): returned ones, or returns less values; normalised ones on the scale of the true ones."""
        outputs = self.outputs(rollout)
        found = self.convention
        if found.advantage is None or found.reads_returns:
            assert found.returns is not None
            return outputs[found.returns] - rollout.value
        if found.normalised is None:
            return outputs[found.advantage]
        want, given = true_advantage(rollout), outputs[found.advantage]
        size, mean = spread(want, found.normalised or 0, found.over) + 1e-8, want.mean(found.over, keepdim=True)
        return (given - given.mean(found.over, keepdim=True)) * size + mean

    def outputs(self, rollout: Rollout) -> Outputs:
        """Everything that the helper returns for a rollout."""
        self.count["evaluations"] += 1
        self.count["cases"] += rollout.reward.numel()
        self.count[f"stratum {rollout.regime}"] += 1
        try:
            outputs = self.callee.outputs(rollout, self.convention)
        except RAISED_BY_A_TARGET as error:
            from ppo_audit.locate.source import location_of

            site = culprit(error)
            raise (TargetRaised(describe(error), location_of(site)) if site else error) from error
        names = {self.convention.advantage, self.convention.returns} - {None}
        if not names <= outputs.keys():
            raise NotApplicable("the helper returns nothing of the shape of its rewards for this rollout")
        return outputs

    @functools.cached_property
    def root(self) -> str | None:
        """The rule whose property is the one that fails, where several show it."""
        from ppo_audit.probes.returns import root

        return root(self)

    def explains(self, code: str) -> tuple[str, ...]:
        """The rules that a violation of this one explains: all that judge the same numbers, where it is the root."""
        from ppo_audit.probes.returns import CHAIN

        is_owner = not self.is_trial and code == self.root
        return tuple(other for other in CHAIN if other != code) if is_owner else ()

    def trial(self, function: Callable[..., Any]) -> Returns | None:
        """The helper with its source edited, under a convention in which it is right; None where there is none."""
        callee = dataclasses.replace(self.callee, function=function)
        for convention in (self.convention, *self.shortlist):
            try:
                found = _scored(callee, convention) if _may_fit(callee, convention) else None
            except RAISED_BY_A_TARGET:  # an edit may break the helper in any way
                continue
            if found is not None and found.agreement > PERFECT:
                return dataclasses.replace(self, callee=callee, convention=found, is_trial=True)
        return None


ABSENT = {
    "flags": "the helper takes no flags of ends of episodes",
    "both_outputs": "the helper does not return both advantages and returns",
    "value": "the helper takes no values",
}


def true_advantage(rollout: Rollout) -> torch.Tensor:
    """GAE, (T, N), by its definition."""
    advantage: torch.Tensor = gae(
        rollout.reward,
        rollout.value,
        rollout.next_value,
        rollout.terminated,
        rollout.truncated,
        rollout.gamma,
        rollout.lambda_,
    )
    return advantage


def make_rollout(ends: Ends, seed: int, settings: Mapping[str, float]) -> Rollout:
    """Rewards and values below one in size, of two digits, so that the numbers of a counterexample can be followed."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: (torch.rand(STEPS, ENVS, generator=generator, dtype=torch.float64) * 180 - 90).round() / 100
    reward, value, beyond = draw(), draw(), draw()
    flags = {name: torch.zeros(STEPS, ENVS, dtype=torch.bool) for name in ("terminated", "truncated")}
    for name, places in ends.items():
        for step, env in places:
            flags[name][step, env] = True
    ended = flags["terminated"] | flags["truncated"]
    following = torch.cat([value[1:], beyond[-1:]])
    return Rollout(
        reward, value, torch.where(ended, beyond, following), flags["terminated"], flags["truncated"], **settings
    )


def told(rollout: Rollout, convention: Convention, available: frozenset[str]) -> Rollout:
    """The rollout as far as a helper can know it: without a value behind it, the last step ends the episode."""
    terminated, truncated, following = rollout.terminated, rollout.truncated, rollout.next_value
    if not available & {"value", "next_value"}:  # without values there is nothing that lambda could weigh
        rollout = dataclasses.replace(rollout, lambda_=1.0, value=torch.zeros_like(rollout.value))
        following = torch.cat([following[:-1] * rollout.ended[:-1], following[-1:]])
    has_flags = bool(available & {"done", "terminated"})
    if not has_flags:
        terminated, truncated = torch.zeros_like(terminated), torch.zeros_like(truncated)
        following = torch.cat([rollout.value[1:], following[-1:]])
    if convention.timing == "start" and not convention.flags and "next_done" not in available and has_flags:
        terminated, truncated = _open_end(terminated), _open_end(truncated)
    if not convention.has_bootstrap:
        terminated = torch.cat([terminated[:-1], torch.ones_like(terminated[-1:])])
        truncated = _open_end(truncated)
    return dataclasses.replace(rollout, next_value=following, terminated=terminated, truncated=truncated)


def _open_end(flags: torch.Tensor) -> torch.Tensor:
    return torch.cat([flags[:-1], torch.zeros_like(flags[-1:])])


def returns_helper(target: str, function: Callable[..., Any], settings: Settings) -> Returns:
    """Find how a helper of rollouts is called; raises UsageError where it does not let itself be called."""
    overrides = {name: role for role, name in settings.roles}
    callee = _with_asked_names(callee_of(function, overrides, dict(settings.values)), overrides)
    works, error = _working(callee)
    if not works:
        why = describe(error) if error else "it returned nothing of the shape of its rewards"
        raise UsageError(
            f"`{label(function)}` was called as a function of a rollout in every known layout, and could not be: "
            f"{why}. Name its roles with `--role reward=...`, or give its arguments with `--inputs "
            f"yourmodule:make_args`."
        )
    chosen = likeliest(callee, works)
    if chosen.agreement <= PERFECT and (kept := _with_token_mask(callee, chosen)) is not None:
        callee, works = kept, _working(kept)[0] or works
        chosen = likeliest(callee, works)
    return Returns(target, callee, chosen, tuple(_shortlist(works, chosen)), seed=settings.seed)


def _shortlist(works: Sequence[Convention], chosen: Convention) -> list[Convention]:
    """The likeliest others, the first of each other form, and one environment alone: what an edited helper may be."""
    others = [other for other in works if other is not chosen]
    forms = {other.form: other for other in reversed(others) if other.form != chosen.form}
    alone = [dataclasses.replace(chosen, layout="T")] if chosen.layout != "T" and chosen.last != "leading" else []
    return list(dict.fromkeys([*others[:SHORTLIST], *forms.values(), *alone]))


def _with_token_mask(callee: Callee, convention: Convention) -> Callee | None:
    """The callee with its `mask` read as that of tokens; None where it marks ends, or is not heeded at all.

    Where a flag of an end stands, a reward still counts and the answer follows it; under padding it does neither.
    """
    masks = [name for name, role in callee.roles.items() if role == "done" and "mask" in name.lower()]
    if len(masks) != 1:
        return None
    padded = make_rollout(ENDS, 11, {})
    reward = torch.where(padded.ended, padded.reward + 0.5, padded.reward)
    keeping = dataclasses.replace(convention, timing="end", flags=0, negated=True)
    try:
        usual = callee.outputs(padded, keeping)
        other = callee.outputs(dataclasses.replace(padded, reward=reward), keeping)
    except RAISED_BY_A_TARGET:
        return None
    is_unread = all(torch.equal(usual[name], other[name]) for name in usual)
    is_blank = any(bool((outputs[padded.ended] == 0).all()) for outputs in usual.values())
    return dataclasses.replace(callee, roles={**callee.roles, masks[0]: "mask"}) if is_unread or is_blank else None


def _working(callee: Callee) -> tuple[list[Convention], BaseException | None]:
    """Every convention under which the helper answers, up to one that fits, the likeliest first; and an error."""
    works: list[Convention] = []
    error: BaseException | None = None
    for candidate in _candidates(callee):
        if candidate.layout == "T" and any(other.layout != "T" and other.agreement > SOME for other in works):
            continue  # what takes several environments is judged on several: alone they cannot mix
        try:
            scored = _scored(callee, candidate)
        except RAISED_BY_A_TARGET as problem:
            error = error or problem
            continue
        if scored is not None:
            works.append(scored)
            if scored.agreement > PERFECT:
                break
    return works, error


def likeliest(callee: Callee, works: Sequence[Convention]) -> Convention:
    """The one that fits; where none does, the first that keeps environments apart, or a far better one."""
    best = max(works, key=lambda each: each.agreement)
    if best.agreement > PERFECT:
        return best
    apart = [each for each in works if each.layout != "T" and not _mixes(callee, each)]
    first = (apart or list(works))[0]
    best = max(apart or works, key=lambda each: each.agreement)
    return best if best.agreement > first.agreement + FAR else first


def _mixes(callee: Callee, convention: Convention) -> bool:
    """Whether other data in the first or last environment move the others' advantages: the axes are wrong."""
    probe = _probes(convention, frozenset(callee.roles.values()))[0]
    usual = callee.outputs(probe, convention)
    for env in (0, ENVS - 1):
        reward = probe.reward.clone()
        reward[:, env] += 0.5
        other = callee.outputs(dataclasses.replace(probe, reward=reward), convention)
        kept = [each for each in range(ENVS) if each != env]
        if all(bool((usual[name] - other[name])[:, kept].abs().max() > TOLERANCE) for name in usual):
            return True
    return False


PERFECT, FAR, SOME = 1 - 1e-9, 0.34, 0.12
"""Shares of agreeing entries: of a correct helper, of one that is far better, and of one that is not all wrong."""
SHORTLIST = 3
"""Conventions beside the chosen one under which an edited helper is tried."""


def _with_asked_names(callee: Callee, overrides: Mapping[str, str]) -> Callee:
    """Containers are asked by calling: each new name is given its role, until the helper runs or fails otherwise."""
    while callee.containers:
        for candidate in _candidates(callee):
            try:
                callee.outputs(make_rollout({}, 0, {}), candidate)
            except AskedFor as name:
                callee = asked(callee, str(name), overrides)
                break
            except RAISED_BY_A_TARGET:
                continue
        else:
            return callee
    return callee


def _candidates(callee: Callee) -> Iterator[Convention]:
    """Conventions to try, the likeliest first, as far as the parameters leave them open."""
    roles = set(callee.roles.values())
    has_next, has_last = "next_value" in roles, "last_value" in roles
    plural = {role: name.endswith("s") for name, role in callee.roles.items()}
    per_step = plural.get("next_value") == plural.get("value", True) and "next_done" not in roles
    successors: tuple[str, ...] = ("each", "last") if per_step else ("last", "each")
    successors = successors if has_next else ("last",) if has_last else ("none",)
    lengths = (0,) if has_next or has_last else (1, 0) if "value" in roles else (0,)
    for form, layout in FORMS:
        for successor, extra, last in itertools.product(
            successors, lengths, LASTS if successors != ("none",) else ("row",)
        ):
            for timing, flags, negated in _timings(callee.roles):
                for dtype, done_is in itertools.product(("float", "bool"), _meanings(roles)):
                    if (layout != "T" and last == "scalar") or (layout == "T" and last in ("leading", "column")):
                        continue
                    yield Convention(form, layout, extra, successor, last, timing, flags, negated, dtype, done_is)


FORMS = (
    ("torch", "T,N"), ("torch", "N,T"), ("torch", "T"), ("torch", "T,N,1"),
    ("numpy", "T,N"), ("numpy", "T"), ("numpy", "N,T"), ("mixed", "T,N"), ("list", "T"),
)  # fmt: skip
LASTS = ("row", "scalar", "leading", "column")


def _meanings(roles: set[str]) -> tuple[str, ...]:
    return ("ended", "terminated") if {"done", "truncated"} <= roles else ("ended",)


def _timings(roles: Mapping[str, str]) -> Iterator[tuple[str, int, bool]]:
    """Timing, extra flags and polarity. Flags of starts are complete with one more, or with `next_done`."""
    names = [name.lower() for name, role in roles.items() if role == "done"]
    if not names:
        yield ("end", 0, False)
        return
    says_start = any("start" in name or "first" in name for name in names)
    says_mask = any("mask" in name for name in names)  # 1 - done in most code, the flags themselves in baselines
    says_not = says_mask or any("non" in name or "not" in name or "cont" in name for name in names)
    says_done = not says_not and any(re.search("done|term|end|start|first", name) for name in names)
    complete = "next_done" in roles.values()
    timings = [("start", 0), ("end", 0), ("start", 1)] if complete or says_start else [("end", 0), ("start", 1)]
    polarities = (says_not,) if says_done or (says_not and not says_mask) else (says_not, not says_not)
    for negated in polarities:
        for timing, flags in timings:
            yield timing, flags, negated


def _scored(callee: Callee, convention: Convention) -> Convention | None:
    """The convention with what each output means under it, and the share of entries that agree with the definition."""
    available = frozenset(callee.roles.values())
    outputs = [callee.outputs(probe, convention) for probe in _probes(convention, available)]
    if not outputs[0]:
        return None
    options = [_read(callee, replaced, outputs) for replaced in _built_in(convention, available)]
    return max(options, key=lambda option: option.agreement)


@functools.lru_cache(maxsize=512)
def _probes(convention: Convention, available: frozenset[str]) -> tuple[Rollout, ...]:
    """Three rollouts: without ends, with ends, and with other settings."""
    ends = {"terminated": ENDS["terminated"], "truncated": ((4, 2),)} if "truncated" in available else ENDS
    settings = [{"gamma": 0.9, "lambda_": 0.8}, {"gamma": 0.9, "lambda_": 0.8}, {"gamma": 0.7, "lambda_": 0.5}]
    return tuple(
        told(make_rollout(e, 11, s), convention, available) for e, s in zip(({}, ends, ends), settings, strict=True)
    )


@functools.lru_cache(maxsize=4096)
def _meant(convention: Convention, available: frozenset[str], probe: int, meaning: str) -> torch.Tensor:
    """What an output of this meaning should be for a probe, (T, N), with the gamma and lambda that are built in."""
    rollout = _probes(convention, available)[probe]
    built_in = {"lambda_": convention.lambda_, "gamma": convention.gamma}
    settings: dict[str, Any] = {k: v for k, v in built_in.items() if v is not None}
    return meant(dataclasses.replace(rollout, **settings), meaning, convention.over)


def _may_fit(callee: Callee, convention: Convention) -> bool:
    """Whether some output is right for the first probe with ends: most edits fail here, at the price of one call."""
    available = frozenset(callee.roles.values())
    outputs = callee.outputs(
        _probes(dataclasses.replace(convention, lambda_=None, gamma=None), available)[1], convention
    )
    fits = lambda name, meaning: _share(outputs[name], _meant(convention, available, 1, meaning)) > PERFECT
    return any(
        fits(name, meaning) for name in outputs for meaning in _possible([outputs[name]], available, convention.over)
    )


def _built_in(convention: Convention, available: frozenset[str]) -> Iterator[Convention]:
    """The convention with each value that a helper without `gamma` or `gae_lambda` may have built in."""
    lambdas = (None,) if available & {"gae_lambda"} else BUILT_IN
    gammas = (None,) if "gamma" in available else BUILT_IN[::-1][1:]
    for lambda_, gamma in itertools.product(lambdas, gammas):
        yield dataclasses.replace(convention, lambda_=lambda_, gamma=gamma)


def _read(callee: Callee, convention: Convention, outputs: Sequence[Outputs]) -> Convention:
    """Which output is the advantage and which the return, by agreement, then by name, then by position."""
    available = frozenset(callee.roles.values())
    share = lambda probe, name, meaning: _share(outputs[probe][name], _meant(convention, available, probe, meaning))
    shares = {
        (name, meaning): sum(share(probe, name, meaning) for probe in range(len(outputs))) / len(outputs)
        for name in outputs[0]
        for meaning in _possible([out[name] for out in outputs], available, convention.over)
    }
    # a name says what an output means; of a position, agreement does
    rank = lambda item: (
        shares[item] + (0.3 if item[0].isdigit() else 2.0) * _prior(item, name_of(callee.function), len(outputs[0]))
    )
    chosen: dict[str, tuple[str, str]] = {}
    for name, meaning in sorted(shares, key=rank, reverse=True):
        kind = "advantage" if "advantage" in meaning else "returns"
        if kind not in chosen and name not in {taken for taken, _ in chosen.values()}:
            chosen[kind] = (name, meaning)
    normalised = {"advantage / sample": 1, "advantage / population": 0}.get(chosen.get("advantage", ("", ""))[1])
    trusted = shares.get(chosen.get("returns", ("", "")), -1.0) >= shares.get(chosen.get("advantage", ("", "")), -1.0)
    return dataclasses.replace(
        convention,
        reads_returns=normalised is not None and "returns" in chosen and trusted and chosen["returns"][1] == "returns",
        advantage=chosen["advantage"][0] if "advantage" in chosen else None,
        returns=chosen["returns"][0] if "returns" in chosen else None,
        normalised=normalised,
        monte_carlo_returns=chosen.get("returns", ("", ""))[1] == "rewards to go",
        agreement=sum(shares[item] for item in chosen.values()) / len(chosen),
    )


def _possible(outputs: Sequence[torch.Tensor], available: frozenset[str], over: Axes) -> tuple[str, ...]:
    """A normalised output is told by its deviation, whatever else is wrong with it; without values all are returns."""
    for ddof, meaning in ((1, "advantage / sample"), (0, "advantage / population")):
        if all(bool(((spread(out, ddof, over) - 1).abs() < 1e-5).all()) for out in outputs):
            return (meaning,)
    has_values = bool(available & {"value", "next_value"})
    return ("advantage", "returns", "rewards to go") if has_values else ("returns", "rewards to go")


def _prior(item: tuple[str, str], function: str, outputs: int) -> float:
    """What names and order suggest of an output: at most one."""
    name, meaning = item
    says = (name if not name.isdigit() else function if outputs == 1 else ("adv", "ret")[int(name) % 2]).lower()
    is_advantage = "adv" in says or ("gae" in says and "ret" not in says)
    fits = is_advantage == ("advantage" in meaning)
    return (0.8 if fits else 0.0) + (0.1 if "/" not in meaning and meaning != "rewards to go" else 0.0)


def _share(got: torch.Tensor, want: torch.Tensor) -> float:
    """The share of entries that are what they should be."""
    return float(((got - want).abs() <= TOLERANCE).double().mean())


def meant(rollout: Rollout, meaning: str, over: Axes = (0, 1)) -> torch.Tensor:
    """What an output of this meaning should be, (T, N); normalised over those dimensions, if at all."""
    advantage = true_advantage(rollout)
    if meaning == "returns":
        return advantage + rollout.value
    if meaning == "rewards to go":
        return rewards_to_go(rollout)
    if "/" in meaning:
        size = spread(advantage, 1 if "sample" in meaning else 0, over) + 1e-8
        return (advantage - advantage.mean(over, keepdim=True)) / size
    return advantage


def rewards_to_go(rollout: Rollout) -> torch.Tensor:
    """Discounted rewards to the end of the episode, with the value behind the last step where it goes on."""
    cut = rollout.truncated.clone()
    cut[-1] |= ~rollout.terminated[-1]
    reward = rollout.reward + rollout.gamma * torch.where(cut & ~rollout.terminated, rollout.next_value, 0.0)
    returns: torch.Tensor = discounted_returns(reward, rollout.ended, rollout.gamma)
    return returns


def spread(values: torch.Tensor, ddof: int, over: Axes = (0, 1)) -> torch.Tensor:
    """The standard deviation of (T, N) over these dimensions, which stay."""
    return values.std(over, correction=ddof, keepdim=True)
