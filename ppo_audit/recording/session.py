"""Running a trainer under the recorder up to its first updates, and keeping what each `backward` was called on."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar
from unittest import mock

import torch
from torch.overrides import _get_current_function_mode_stack

from ppo_audit.errors import UsageError
from ppo_audit.recording.graph import parameters_of, producers
from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS, Recorder, Trace
from ppo_audit.targets.resolve import describe

T = TypeVar("T")
CAPTURES = 4
"""Minibatches kept of each loss: the first, where the ratio is 1, and a few later ones, where it has moved."""

PATIENCE = 128
"""Calls of `backward` that bring nothing new, after which a loss for parameters not yet reached is given up."""

SEGMENTS = 4
"""Calls of `backward` that the recording reaches back: several losses may be computed before the first of them."""


class Stop(BaseException):
    """Leaves the target's code from inside `backward`; no `except Exception` of the target eats it."""


@dataclass(frozen=True)
class Capture:
    """A loss at the moment of its `backward`: the recording so far, and the names that tensors had in the caller.

    `is_handed_out` where the gradient goes to the caller (`autograd.grad`), who may climb it as well as descend.
    """

    loss: torch.Tensor
    trace: Trace = field(repr=False)
    names: dict[int, str] = field(repr=False)
    is_handed_out: bool = False


@dataclass
class Loss(Generic[T]):
    """One loss of the target, known by what made it and by the way to its `backward`; minibatches give it again."""

    place: str
    lifted: list[T] = field(default_factory=list)
    declined: list[UsageError] = field(default_factory=list)
    reached: set[int] = field(default_factory=set, repr=False)

    @property
    def is_full(self) -> bool:
        return len(self.lifted) + len(self.declined) >= CAPTURES


@dataclass
class Session(Generic[T]):
    """What one run of a trainer gave: what was made of each of its losses, or why nothing could be."""

    lift: Callable[[Capture], T]
    recorder: Recorder = field(default_factory=Recorder)
    losses: dict[Hashable, Loss[T]] = field(default_factory=dict)
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    marks: deque[int] = field(default_factory=deque)
    idle: int = 0
    is_busy: bool = False
    output: str = ""
    error: str | None = None

    def see(
        self,
        tensors: Sequence[torch.Tensor],
        gradients: Sequence[torch.Tensor | None],
        frame: FrameType,
        is_handed_out: bool,
    ) -> None:
        """Examine what a backward pass starts from, before the graph is freed and the parameters move."""
        with _recording(self.recorder):
            total = _total(tensors, gradients)
        trace = self.recorder.trace
        found = self.losses.setdefault(_identity(trace, total, frame), Loss(_place(frame)))
        self.idle = self.idle + 1 if found.is_full else 0
        if not found.is_full:
            found.reached.update(map(id, parameters_of(total)))
            self._examine(found, Capture(total, trace.copy(), _names(frame), is_handed_out))
        self._forget()

    def _examine(self, found: Loss[T], capture: Capture) -> None:
        self.is_busy = True
        try:
            with torch._C.DisableTorchFunction():
                found.lifted.append(self.lift(capture))
        except UsageError as error:
            found.declined.append(error)
        except Exception as error:  # whatever it is, it is no fault of the trainer and no missing `backward`
            found.declined.append(UsageError(f"its loss cannot be followed: {describe(error)}"))
        finally:
            self.is_busy = False

    def _forget(self) -> None:
        """Drop what was recorded before the last few calls of `backward`."""
        self.marks.append(len(self.recorder.trace.ops))
        if len(self.marks) > SEGMENTS:
            cut = self.marks.popleft()
            self.recorder.trace = self.recorder.trace.since(cut)
            self.marks = deque(mark - cut for mark in self.marks)

    @property
    def has_enough(self) -> bool:
        """Whether losses seen often enough reach every parameter that is trained, or waiting brought nothing."""
        trained = {id(p) for optimizer in self.optimizers for group in optimizer.param_groups for p in group["params"]}
        full = [loss.reached for loss in self.losses.values() if loss.is_full]
        is_all = bool(trained) and trained <= set().union(*full)  # unknown where the optimizer is the trainer's own
        return bool(full) and (is_all or self.idle >= PATIENCE)


def record(start: Callable[[], object], name: str, lift: Callable[[Capture], T]) -> Session[T]:
    """Run `start` until enough losses were lifted or it ends; raises UsageError where it never calls `backward`."""
    session = Session(lift)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            with recording(session, _leave):
                start()
        except Stop:
            pass
        except (Exception, SystemExit) as error:
            session.error = describe(error)
    session.output = printed.getvalue()
    expect_losses(session, name, "Give arguments that make it train, after `--`.")
    return session


def expect_losses(session: Session[T], name: str, advice: str) -> None:
    """Raise UsageError where no backward pass was seen."""
    if not session.losses:
        why = f"it ended with {session.error}" if session.error else "it ended without one"
        raise UsageError(f"`{name}` never called `backward`, so there is no loss to audit: {why}. {advice}")


def _leave() -> None:
    raise Stop


@contextlib.contextmanager
def recording(session: Session[T], when_enough: Callable[[], None]) -> Iterator[None]:
    """Record everything inside, and examine what each backward pass starts from."""
    backward, grad, init = torch.autograd.backward, torch.autograd.grad, torch.optim.Optimizer.__init__

    def see(tensors: Any, gradients: Any, frame: FrameType, is_handed_out: bool) -> None:
        if not session.is_busy and not session.recorder.is_paused:
            starts = _as_list(tensors)
            session.see(starts, _as_list(gradients) or [None] * len(starts), frame, is_handed_out)
            if session.has_enough:
                when_enough()

    def seen_backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kwargs: Any) -> Any:
        see(tensors, grad_tensors, sys._getframe(1), False)
        return backward(tensors, grad_tensors, *args, **kwargs)

    @functools.wraps(grad)
    def seen_grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        is_inner = bool(kwargs.get("create_graph") or args[1:2] == (True,))  # a part of a loss, such as a penalty
        is_handed_on = sys._getframe(1).f_code.co_filename.startswith(OWN_FOLDER)  # by the recorder: seen before
        is_for_parameters = any(isinstance(tensor, torch.nn.Parameter) for tensor in _as_list(inputs))
        if is_for_parameters and not is_inner and not is_handed_on:
            see(outputs, grad_outputs, sys._getframe(1), True)
        return grad(outputs, inputs, grad_outputs, *args, **kwargs)

    def seen_init(optimizer: Any, *args: Any, **kwargs: Any) -> None:
        session.optimizers.append(optimizer)
        init(optimizer, *args, **kwargs)

    with (
        mock.patch.object(torch.autograd, "backward", seen_backward),
        mock.patch.object(torch.autograd, "grad", seen_grad),
        mock.patch.object(torch.optim.Optimizer, "__init__", seen_init),
        session.recorder,
    ):
        yield


def _as_list(tensors: Any) -> list[Any]:
    if tensors is None:
        return []
    return [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)


@contextlib.contextmanager
def _recording(recorder: Recorder) -> Iterator[None]:
    """The recorder is active, once: inside a method of a tensor that it handles it is not."""
    with contextlib.nullcontext() if recorder in _get_current_function_mode_stack() else recorder:
        yield


def _total(tensors: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor | None]) -> torch.Tensor:
    """The one number whose gradient a backward pass computes: the sum of all that it starts from, weighted."""
    weighted = [
        tensor if gradient is None or (tensor.dim() == 0 and float(gradient) == 1) else (tensor * gradient).sum()
        for tensor, gradient in zip(tensors, gradients, strict=True)
    ]
    return sum(weighted[1:], start=weighted[0])


def _identity(trace: Trace, total: torch.Tensor, frame: FrameType | None) -> Hashable:
    """What made the loss and the calls that lead to its `backward`: the same for each minibatch."""
    number = trace.find(total)
    maker = None if number is None else producers(trace).get(number)
    calls = []
    while frame is not None:
        calls.append((id(frame.f_code), frame.f_lasti))
        frame = frame.f_back
    return (maker.key[:4] if maker else None, *calls)


def _place(frame: FrameType | None) -> str:
    """File and line of the target's own call."""
    while frame is not None and frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else "an unknown place"


def _names(frame: FrameType | None) -> dict[int, str]:
    """The names of tensors that are locals of the target's frames above `backward`, innermost first."""
    found: dict[int, str] = {}
    while frame is not None:
        if not frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
            for name, value in frame.f_locals.items():
                if isinstance(value, torch.Tensor):
                    found.setdefault(id(value), name)
        frame = frame.f_back
    return found
