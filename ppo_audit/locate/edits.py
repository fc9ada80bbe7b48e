"""The slips that are tried: what stands in the code, and what may belong there. Each edit replaces one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ppo_audit.recording.graph import plain
from ppo_audit.recording.trace import EVERY, Intervention, Op, OpKey
from ppo_audit.subjects.run import Borrowed

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """One replacement of one call. `text` completes the sentence "the violation is gone with ..."."""

    op: Op
    text: str
    replacement: Intervention | Borrowed
    turns: bool = False
    """Whether it turns a difference or an exponent round."""
    others: tuple[OpKey, ...] = ()
    """Further calls that are replaced alike."""
    beside: tuple[tuple[OpKey, Intervention], ...] = ()
    """Further calls, and what replaces each of them."""
    lender: OpKey | None = None
    """The call that makes what the replacement borrows, where that is not given as it is needed."""

    argument: str = ""
    """The keyword or position of what it changes: a variable that holds it alone is edited where it is set."""

    @property
    def interventions(self) -> dict[OpKey, Intervention | Borrowed]:
        replaced = dict.fromkeys((_place_of(self.op), *self.others), self.replacement) | dict(self.beside)
        if self.lender is None or not isinstance(self.replacement, Borrowed):
            return replaced
        return {self.lender: self.replacement.keeping, **replaced}


def _place_of(op: Op) -> OpKey:
    """All calls at the place of this one, as an edit of the source changes them; the one alone inside torch's code."""
    return op.key if op.via else op.key._replace(occurrence=EVERY)


def edits_of(op: Op, shapes: tuple[torch.Size, ...]) -> Iterator[Edit]:
    """The edits worth trying at a call, likeliest slip first; `shapes` are those of its tensor inputs."""
    name = plain(op.name)
    pairs = sum(isinstance(arg, torch.Tensor) for arg in op.args[:2]) == 2
    if name in OPPOSITES and pairs:
        other = OPPOSITES[name]
        yield Edit(op, f"`{other.__name__}` in place of `{name}`", _instead(other))
    if name in SWAPS:
        other = SWAPS[name]
        yield Edit(op, f"`{other.__name__}` in place of `{name}`", _instead(other), turns=name in TURNING)
    if name in ("sub", "subtract", "rsub", "div", "truediv") and len(op.args) > 1:
        yield Edit(op, "its operands swapped", _swapped, turns=True)
    if any(isinstance(arg, torch.Tensor) and arg.dtype in HALVES for arg in op.args):
        yield Edit(op, "its operands in float32", _widened)
    if name in UNARY:
        yield Edit(op, f"`{name}` left out", _first)
    if name == "exp":
        negated: Intervention = lambda func, args, kwargs: func(-args[0], *args[1:], **kwargs)
        yield Edit(op, "its exponent negated", negated, turns=True)
    if name == "where" and len(op.args) == 3:
        yield Edit(op, "its branches swapped", lambda func, args, kwargs: func(args[0], args[2], args[1], **kwargs))
    if pairs and len(set(shapes)) == 2 and len({shape.numel() for shape in shapes}) == 1:
        yield Edit(op, "both operands in one shape", _same_shape)
    if name == "mean" and (len(op.args) > 1 or op.kwargs or any(len(shape) > 1 for shape in shapes)):
        yield Edit(op, "a sum over the last dimension, then the mean", _sum_last)
    if op.via == "entropy":
        summed: Intervention = lambda func, args, kwargs: func(*args, **kwargs).sum(-1)
        yield Edit(op, "a sum over the action dimensions behind it", summed)
    if name == "sum":
        yield Edit(op, "`mean` in place of `sum`", lambda func, args, kwargs: torch.mean(*args, **kwargs))


def signs_of(op: Op) -> Iterator[Edit]:
    """The edit that negates what the call returns."""
    yield Edit(op, "its sign changed", lambda func, args, kwargs: -func(*args, **kwargs))


def squares_of(op: Op, alike: tuple[Op, ...]) -> Iterator[Edit]:
    """The edit that makes variances of the deviations of a line: log standard deviations are doubled before `exp`."""
    doubled: Intervention = lambda func, args, kwargs: func(2 * args[0], *args[1:], **kwargs)
    yield Edit(op, "variances in place of standard deviations", doubled, others=tuple(other.key for other in alike))


def stops_of(op: Op) -> Iterator[Edit]:
    """The edit that stops the gradient behind the call."""
    yield Edit(op, "a `detach()` behind it", lambda func, args, kwargs: func(*args, **kwargs).detach())


def _instead(other: Callable[..., Any]) -> Intervention:
    return lambda func, args, kwargs: other(*args, **kwargs)


def _swapped(func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    has_two = isinstance(args[1], torch.Tensor)
    return func(args[1], args[0], *args[2:], **kwargs) if has_two else func(*args, **kwargs)


def _widened(func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    return func(*(arg.float() if isinstance(arg, torch.Tensor) else arg for arg in args), **kwargs)


def _first(func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    return args[0] * 1


def _same_shape(func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    return func(
        args[0].reshape(args[1].shape) if args[0].dim() > args[1].dim() else args[0],
        args[1].reshape(args[0].shape) if args[1].dim() > args[0].dim() else args[1],
        *args[2:],
        **kwargs,
    )


def _sum_last(func: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    tensor = args[0]
    whole = len(args) == 1 and not kwargs
    return tensor.sum(-1).mean() if whole and tensor.dim() > 1 else tensor.sum(*args[1:], **kwargs)


def _reflected(func: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def other(first: Any, second: Any, *args: Any, **kwargs: Any) -> Any:
        return func(first, second)

    other.__name__ = func.__name__
    return other


HALVES = (torch.bfloat16, torch.float16)
OPPOSITES: dict[str, Callable[..., Any]] = {
    "max": torch.minimum,
    "maximum": torch.minimum,
    "fmax": torch.minimum,
    "min": torch.maximum,
    "minimum": torch.maximum,
    "fmin": torch.maximum,
}
SWAPS: dict[str, Callable[..., Any]] = {
    "exp2": torch.exp,
    "log2": torch.log,
    "log10": torch.log,
    "add": _reflected(torch.sub),
    "iadd": _reflected(torch.sub),
    "sub": _reflected(torch.add),
    "isub": _reflected(torch.add),
    "subtract": _reflected(torch.add),
    "var": torch.std,
    "gt": torch.lt,
    "ge": torch.le,
    "lt": torch.gt,
    "le": torch.ge,
}
TURNING = frozenset(("sub", "isub", "subtract"))
UNARY = frozenset(
    "neg negative clamp clip clamp_min clamp_max abs detach square sqrt sign tanh sigmoid relu log log1p mean "
    "bfloat16 half".split()
)
