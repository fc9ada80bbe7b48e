"""Losses under the gate: every designed case evaluated as a caller would, with the convention that was stored."""

from __future__ import annotations

import dataclasses
import functools
import numbers
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.gate.cases import Case, Design, cases, wide
from ppo_audit.gate.reading import Operation, Reading, empty, narrowest, noise_among, operations
from ppo_audit.gate.rounding import rounded
from ppo_audit.probes.options import Option, options
from ppo_audit.subjects.batch import Batch
from ppo_audit.subjects.run import Run, call_under_recorder
from ppo_audit.subjects.subject import Subject, gradient_of
from ppo_audit.targets.calling import Call
from ppo_audit.targets.names import DEFAULT_VALUES, is_scalar, role_of

MOST_ENTRIES = 64
UNSEEN_SEED = 7919
ROUNDINGS = 3
Setting = tuple[str, float | bool | str]
Making = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class LossGauge:
    """A loss, and the roles and layout under which it is measured."""

    subject: Subject

    @property
    def design(self) -> Design:
        direct = self.subject.direct.subject
        return Design(direct.layout, direct.available, direct.capacity)

    def cases(self) -> list[Case]:
        """The designed batches, and one batch again with each option of the target at another value."""
        base = wide(self.design)
        turned = [dataclasses.replace(base, options=(setting,)) for setting in self.settings()]
        return cases(self.design) + turned

    def settings(self) -> Iterator[Setting]:
        """Another value for each option: switches turned, numbers changed, what is off switched on."""
        for option in options(self.subject):
            yield option.name, _other(option.value)
        call = _call(self.subject)
        for name, default in call.defaults.items() if call else ():
            role = role_of(name)
            if default is None and role in DEFAULT_VALUES and is_scalar(role) and name not in call.values:  # type: ignore[union-attr]
                yield name, DEFAULT_VALUES[role] / 2
            elif isinstance(default, str):
                for word in _words(call.function, default):  # type: ignore[union-attr]
                    yield name, word

    def read(self, case: Case) -> Reading:
        """Evaluate one case."""
        return self._guarded(case, lambda function: function)

    def _guarded(self, case: Case, made: Making) -> Reading:
        try:
            return self._read(case, made)
        except NotApplicable as error:
            cause = error.__cause__
            return empty(case, type(cause).__name__ if cause is not None else str(error))
        except (KeyError, RuntimeError) as error:  # a role that is asked for anew; a graph that cannot be gone back
            return empty(case, type(error).__name__)

    def noise(self, case: Case, reading: Reading) -> Mapping[str, float]:
        """How far the numbers move when every input, or every result on the way, moves by one rounding."""
        if reading.raised:
            return {}
        moved: list[Reading] = []
        if case.dtype not in ("bfloat16", "float16"):  # a rounding of those is no rounding to what computes in float32
            moved.append(self.read(dataclasses.replace(case, batch=_nudged(case.batch, getattr(torch, case.dtype)))))
        if _call(self.subject) is not None:
            starts = [functools.partial(rounded, start=start) for start in range(ROUNDINGS)]
            moved += [self._guarded(case, made) for made in starts]
        return noise_among(reading.numbers, [each.numbers for each in moved])

    def operations(self, case: Case) -> tuple[Operation, ...]:
        """What is recorded on a case; nothing where the target raises."""
        try:
            run = self._subject(case).run(dict(case.batch), getattr(torch, case.dtype))
        except (NotApplicable, KeyError, RuntimeError):
            return ()
        return operations(run.trace, run.total)

    def _subject(self, case: Case) -> Subject:
        subject = self.subject.direct.subject
        for name, value in case.options:
            found = _option(subject, name)
            subject = found.at(value) if found and not isinstance(value, str) else _with(subject, name, value)
        return subject

    def _read(self, case: Case, made: Making) -> Reading:
        subject, witness = _witnessed(self._subject(case), made)
        generator = torch.get_rng_state()
        torch.manual_seed(UNSEEN_SEED)
        before = torch.get_rng_state()
        try:
            run = subject.run(dict(case.batch), getattr(torch, case.dtype))
            drew = not torch.equal(before, torch.get_rng_state())
        finally:
            torch.set_rng_state(generator)
        conduct = [*witness.left, *_written(subject, run, case.batch), *["draws random numbers"] * drew]
        found = dict(_numbers(run, witness.returned))
        return Reading(
            case.name,
            case.dtype,
            case.options,
            narrowest(run.trace, run.loss.dtype),
            found,
            conduct=tuple(sorted(conduct)),
        )


def _option(subject: Subject, name: str) -> Option | None:
    """The option of that name, or the one that plays its role in another implementation."""
    offered, role = options(subject), role_of(name)
    by_role = [option for option in offered if role is not None and option.role == role]
    return next(iter([option for option in offered if option.name == name] or by_role), None)


class Witness:
    """Stands before the target: keeps what it returned, and which modes of torch it left changed."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.returned = function, None
        self.left: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        before = _modes()
        self.returned = self.function(*args, **kwargs)
        self.left = [f"changes {name}" for name, value in _modes().items() if value != before[name]]
        return self.returned


def _modes() -> dict[str, object]:
    return {
        "gradient mode": torch.is_grad_enabled(),
        "the default dtype": torch.get_default_dtype(),
        "the number of threads": torch.get_num_threads(),
        "deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "the seed of torch's generator": torch.initial_seed(),
    }


def _witnessed(subject: Subject, made: Making) -> tuple[Subject, Witness]:
    call = _call(subject)
    if call is None:
        return subject, Witness(lambda: None)
    witness = Witness(made(call.function))
    return _calling(subject, dataclasses.replace(call, function=witness)), witness


def _call(subject: Subject) -> Call | None:
    evaluate = subject.evaluate
    is_called = isinstance(evaluate, functools.partial) and evaluate.func is call_under_recorder
    found = evaluate.args[0] if is_called else None  # type: ignore[attr-defined]
    return found if isinstance(found, Call) else None


def _calling(subject: Subject, call: Call) -> Subject:
    evaluate = functools.partial(call_under_recorder, call, *subject.evaluate.args[1:])  # type: ignore[attr-defined]
    return dataclasses.replace(subject, evaluate=evaluate)


def _with(subject: Subject, name: str, value: float | bool | str) -> Subject:
    """The subject with a parameter passed that it leaves at its default otherwise."""
    from ppo_audit.targets.calling import bind

    call = _call(subject)
    assert call is not None
    overrides = {role: given for given, role in call.overrides.items()}
    return _calling(subject, bind(call.function, overrides, {**call.values, name: value}))


def _other(value: float | bool | None) -> float | bool:
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else 0.6 * (value or 0.5)


def _words(function: Callable[..., Any], default: str) -> list[str]:
    """Strings that the target's module compares something with, beside the default: values of an option of words."""
    code = getattr(function, "__code__", None)
    siblings = [getattr(f, "__code__", None) for f in getattr(function, "__globals__", {}).values() if callable(f)]
    own = [c for c in (code, *siblings) if c is not None and code is not None and c.co_filename == code.co_filename]
    words = {const for c in own for const in c.co_consts[1:] if isinstance(const, str) and _is_word(const)}
    return sorted(words - {default})[:4]


def _is_word(text: str) -> bool:
    return 0 < len(text) < 32 and not any(mark in text for mark in " \n{}:/.")


def _written(subject: Subject, run: Run, batch: Mapping[str, Any]) -> list[str]:
    return [f"writes into {role}" for role in sorted(subject.direct.changed(run, dict(batch)))]


def _numbers(run: Run, returned: Any) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The loss, its gradients, and whatever else was returned as numbers."""
    yield "loss", _flat(run.loss)
    for role in sorted(run.leaves):
        leaf = run.leaves[role]
        if leaf.requires_grad:
            yield f"d loss / d {role}", _flat(gradient_of(run.loss, leaf))
    for name, value in _leaves(returned, ""):
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(float(value), dtype=torch.float64)
        if tensor is not run.loss and tensor.numel() <= MOST_ENTRIES:
            yield f"returned {name}", _flat(tensor)


def _leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, torch.Tensor | numbers.Real):
        yield name or "value", tree
    elif isinstance(tree, Mapping):
        for key in tree:
            yield from _leaves(tree[key], f"{name}.{key}".strip("."))
    elif hasattr(tree, "_asdict"):
        yield from _leaves(tree._asdict(), name)
    elif isinstance(tree, tuple | list):
        for index, item in enumerate(tree):
            yield from _leaves(item, f"{name}.{index}".strip("."))
    elif dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        yield from _leaves(vars(tree), name)


def _flat(tensor: torch.Tensor) -> tuple[float, ...]:
    return tuple(tensor.detach().double().reshape(-1).cpu().tolist())


def _nudged(batch: Mapping[str, Any], dtype: torch.dtype) -> Batch:
    """Every floating-point input but masks moved by one rounding, up and down in turn."""
    moved = dict(batch)
    for shift, (role, value) in enumerate(sorted(batch.items())):
        if isinstance(value, torch.Tensor) and value.is_floating_point() and role != "mask":
            signs = 1 - 2 * ((torch.arange(value.numel()) * (shift + 1)) // 2 % 2).double().reshape(value.shape)
            moved[role] = value.to(dtype).double() * (1 + torch.finfo(dtype).eps * signs)
    return moved
