"""Running a trainer under the recorder up to its first updates, and keeping what each `backward` was called on."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import sys
import threading
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.overrides import _get_current_function_mode_stack

from ppo_audit.errors import UsageError
from ppo_audit.recording.frames import held
from ppo_audit.recording.graph import parameters_of
from ppo_audit.recording.history import History, since
from ppo_audit.recording.loop import Minibatch, Seen, Watcher, first_repeat, site_of_frame
from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS, Recorder, Trace, Whole
from ppo_audit.recording.watched import watched_in
from ppo_audit.targets.resolve import describe

T = TypeVar("T")
CAPTURES = 4
"""Minibatches kept of each loss: the first, where the ratio is 1, and a few later ones, where it has moved."""

PATIENCE = 128
"""Calls of `backward` that bring nothing new, after which a loss for parameters not yet reached is given up."""

LOOKAHEAD = 48
"""Minibatches that are looked at beyond the first ones, for the sake of samples that come back in a later epoch."""

MOST_WORK = 2_000_000_000
"""Elements of recorded tensors after which nothing more is waited for: a large network has long minibatches."""

SHARE_OF_A_LOSS, SLACK = 4, 100
"""A rollout began where this many times the differentiable operations of a loss, and some more, made no other loss."""

SEGMENTS = 4
"""Calls of `backward` that the recording reaches back: several losses may be computed before the first of them."""


FEW_COLLECTIONS = 1000
"""Collections of younger garbage between those of older, as long as a recording grows; Python's own number is 10."""


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
    by_name: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)


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
    """What one run of a trainer gave: what was made of each of its losses, or why nothing could be; and its loop.

    `look` says who the samples of a minibatch are, and what its roles held; `is_whole` that nothing was trained before.
    """

    lift: Callable[[Capture], T]
    look: Callable[[Capture], Seen | None]
    recorder: Recorder = field(default_factory=Recorder)
    watcher: Watcher = field(default_factory=Watcher)
    history: History | None = field(default=None, repr=False)
    losses: dict[Hashable, Loss[T]] = field(default_factory=dict)
    marks: deque[int] = field(default_factory=deque)
    start: int = 0
    idle: int = 0
    work: int = 0
    in_steps: int = 0
    names: dict[str, None] = field(default_factory=dict)
    has_new_rollout: bool = False
    is_whole: bool = True
    thread: int = field(default_factory=threading.get_ident)
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
        """Examine what a backward pass starts from, before the graph is freed and the parameters move.

        Gradients that are handed out are not added to those that are there.
        """
        if threading.get_ident() != self.thread:
            self._decline_thread(frame)
            return
        with _recording(self.recorder):
            total = _total(tensors, gradients)
        trace, history = self.recorder.trace, self._history()
        identity = _identity(history, total, frame)
        found = self.losses.setdefault(identity, Loss(_place(frame)))
        self.idle = self.idle + 1 if found.is_full else 0
        reached = parameters_of(total)
        with torch._C.DisableTorchFunction():
            self.watcher.passes(identity, reached, frame, not is_handed_out)
        self._measure_pause(trace)
        if self.is_awaiting or not found.is_full:
            by_name = _by_name(frame)
            names = {id(tensor): name for name, tensor in reversed(by_name.items())}
            made_of = history.slice(trace.value_of(total), self.start)
            capture = Capture(total, made_of, names, is_handed_out, by_name)
            if not found.is_full:
                found.reached.update(map(id, reached))
                self.names |= dict.fromkeys(by_name)
                self._examine(found, capture)
            if self.is_awaiting:
                self._look(identity, capture, frame)
        self._forget()

    def _decline_thread(self, frame: FrameType) -> None:
        """Torch hands operations to the modes of their own thread; nothing of another one's was recorded."""
        name, place = threading.current_thread().name, _place(frame)
        why = f"its loss is computed in the thread `{name}`, and only the thread that began is recorded; train in it."
        self.losses.setdefault((name, place), Loss(place)).declined.append(UsageError(why))
        self.idle += 1

    def _history(self) -> History:
        """The recording, indexed as far as it was looked at."""
        if self.history is None or self.history.trace is not self.recorder.trace:
            self.history = History(self.recorder.trace)
        return self.history

    def _look(self, identity: Hashable, capture: Capture, frame: FrameType) -> None:
        """Keep who the samples are and what the roles hold."""
        self.is_busy = True
        try:
            with torch._C.DisableTorchFunction():
                seen, watched = self.look(capture), watched_in(frame)
        except Exception:  # what cannot be told is not judged
            seen, watched = None, ()
        finally:
            self.is_busy = False
        if seen is not None:
            moment = len(self.watcher.events) - 1
            self.watcher.minibatches.append(
                Minibatch(identity, moment, seen.samples, seen.roles, seen.reached, watched)
            )
            self.watcher.is_noisy = self.watcher.is_noisy or seen.is_noisy
            if "log_prob" in seen.roles and self.watcher.first is None:
                self.watcher.first = self.recorder.trace.copy()
                self.watcher.arrays, self.watcher.names = held(frame)

    def _measure_pause(self, trace: Trace) -> None:
        """What went by since the last pass: whether a rollout was in it, and how long the next one may take."""
        ops = trace.ops[self.marks[-1] :] if self.marks else []
        live = sum(any(trace.tensors[number].requires_grad for number in op.outputs) for op in ops)
        is_in_step = self.in_steps < 0  # the loss is that of a closure, which the optimizer calls
        in_steps = 0 if is_in_step else self.in_steps
        allowed = SHARE_OF_A_LOSS * live + SLACK + in_steps
        self.has_new_rollout = self.has_new_rollout or len(ops) > allowed
        self.work += sum(trace.tensors[number].numel() for op in ops for number in op.outputs)
        self.recorder.limit = len(trace.ops) + allowed - in_steps if self.marks else None
        self.in_steps = -len(trace.ops) if is_in_step else 0

    def steps(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        """An optimizer steps with the gradients that are there."""
        with torch._C.DisableTorchFunction():
            self.watcher.steps(optimizer, frame)

    def enters_step(self) -> None:
        """What is recorded from now on is done by an optimizer."""
        self.in_steps -= len(self.recorder.trace.ops)

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """An optimizer has made a step; its own operations are no part of a rollout."""
        self.recorder.is_aside = False
        before, self.in_steps = self.in_steps, self.in_steps + len(self.recorder.trace.ops)
        if self.recorder.limit is not None:
            self.recorder.limit += self.in_steps - before
        with torch._C.DisableTorchFunction():
            self.watcher.stepped(optimizer)

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
        """Drop what was recorded before the last few calls of `backward`, once that is most of it."""
        recorded = len(self.recorder.trace.ops)
        self.marks.append(recorded)
        if len(self.marks) > SEGMENTS:
            self.start = self.marks.popleft()
        if 2 * self.start < recorded or not self.start:
            return
        self.recorder.trace = since(self.recorder.trace, self.start)
        self.marks = deque(mark - self.start for mark in self.marks)
        if self.recorder.limit is not None:
            self.recorder.limit -= self.start
        self.in_steps += self.start if self.in_steps < 0 else 0
        self.start = 0

    def end(self) -> None:
        """Nothing more is wanted: the recording is let go, and the target goes on as if there had been none."""
        self.recorder.is_paused = True
        self.recorder.trace, self.history = Trace(), None

    @property
    def has_losses(self) -> bool:
        """Whether losses seen often enough reach every parameter that is trained, or waiting brought nothing."""
        full = [loss.reached for loss in self.losses.values() if loss.is_full]
        trained = self.watcher.trained
        is_all = bool(trained) and trained <= set().union(*full)  # unknown where the optimizer is the trainer's own
        return bool(full) and (is_all or self.idle >= PATIENCE)

    @property
    def is_awaiting(self) -> bool:
        """Whether the loop is worth looking at for longer: its samples have not come back for a whole epoch."""
        seen = [minibatch for minibatch in self.watcher.minibatches if "log_prob" in minibatch.roles]
        if len(self.watcher.minibatches) >= LOOKAHEAD or self.work > MOST_WORK or self.has_new_rollout:
            return False
        again = first_repeat(seen)
        return again is None or len(seen) < 2 * again

    @property
    def has_enough(self) -> bool:
        return self.has_losses and not (self.is_awaiting and self.watcher.minibatches)


def record(
    start: Callable[[], object], name: str, lift: Callable[[Capture], T], look: Callable[[Capture], Seen | None]
) -> Session[T]:
    """Run `start` until enough losses were lifted or it ends; raises UsageError where it never calls `backward`."""
    session = Session(lift, look)
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
    session.watcher.meet_those_built_before()
    session.recorder.when_reached = lambda: when_enough() if session.has_losses and session.marks else None
    with contextlib.ExitStack() as stack:
        for owner, name, replacement in (*_seen_passes(session, when_enough, stack.close), *_seen_changes(session)):
            stack.enter_context(mock.patch.object(owner, name, replacement))
        before = register_optimizer_step_pre_hook(_before_step(session))
        stack.callback(before.remove)
        after = register_optimizer_step_post_hook(_after_step(session))
        stack.callback(after.remove)
        stack.enter_context(_few_collections())
        session.recorder.__enter__()
        stack.callback(session.recorder.leave)
        yield


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Young garbage is collected as ever; other collections walk through the recording, which is none."""
    before = gc.get_threshold()
    gc.set_threshold(before[0], *(max(each, FEW_COLLECTIONS) for each in before[1:]))
    during = gc.get_threshold()
    try:
        yield
    finally:
        if gc.get_threshold() == during:
            gc.set_threshold(*before)


Patch = tuple[Any, str, Any]


def _is_listening(session: Session[Any]) -> bool:
    return not session.is_busy and not session.recorder.is_paused


def _seen_passes(session: Session[T], when_enough: Callable[[], None], put_back: Callable[[], None]) -> Iterator[Patch]:
    """The two ways to compute gradients, put back where they were at the first call that is of no use."""
    backward, grad = torch.autograd.backward, torch.autograd.grad

    def see(tensors: Any, gradients: Any, frame: FrameType, is_handed_out: bool) -> None:
        if session.recorder.is_paused:
            if session.recorder.leave():
                put_back()
        elif _is_listening(session):
            starts = _as_list(tensors)
            session.see(starts, _as_list(gradients) or [None] * len(starts), frame, is_handed_out)
            if session.has_enough:
                when_enough()

    def seen_backward(tensors: Any, grad_tensors: Any = None, *args: Any, **kwargs: Any) -> None:
        see(tensors, grad_tensors, sys._getframe(1), False)
        backward(tensors, grad_tensors, *args, **kwargs)
        if _is_listening(session):
            with torch._C.DisableTorchFunction():
                session.watcher.passed()

    @functools.wraps(grad)
    def seen_grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *args: Any, **kwargs: Any) -> Any:
        is_inner = bool(kwargs.get("create_graph") or args[1:2] == (True,))  # a part of a loss, such as a penalty
        is_handed_on = sys._getframe(1).f_code.co_filename.startswith(OWN_FOLDER)  # by the recorder: seen before
        is_for_parameters = any(isinstance(tensor, torch.nn.Parameter) for tensor in _as_list(inputs))
        if is_for_parameters and not is_inner and not is_handed_on:
            see(outputs, grad_outputs, sys._getframe(1), True)
        return grad(outputs, inputs, grad_outputs, *args, **kwargs)

    yield torch.autograd, "backward", seen_backward
    yield torch.autograd, "grad", seen_grad


def _seen_changes(session: Session[T]) -> Iterator[Patch]:
    """Optimizers as they are built, and the clipping of gradients."""
    init = torch.optim.Optimizer.__init__

    def seen_init(optimizer: Any, *args: Any, **kwargs: Any) -> None:
        init(optimizer, *args, **kwargs)
        session.watcher.ledger(optimizer, site_of_frame(sys._getframe(1)))

    def seeing(clip: Callable[..., Any]) -> Callable[..., Any]:
        def seen_clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            given = _as_list(parameters)
            if _is_listening(session):
                session.watcher.clips(given, sys._getframe(1))
            return clip(given, *args, **kwargs)

        return seen_clip

    yield torch.optim.Optimizer, "__init__", seen_init
    yield torch.autograd.Function, "apply", classmethod(_recorded_apply(session))
    for name in ("clip_grad_norm_", "clip_grad_value_"):
        replacement = seeing(getattr(torch.nn.utils, name))
        yield torch.nn.utils, name, replacement
        yield torch.nn.utils.clip_grad, name, replacement


def _recorded_apply(session: Session[Any]) -> Callable[..., Any]:
    """`Function.apply` as one operation: what its forward computes is not what its gradient is of."""
    apply = torch.autograd.Function.apply.__func__  # type: ignore[attr-defined]

    def recorded(function: Any, *args: Any, **kwargs: Any) -> Any:
        if not _is_listening(session) or session.recorder not in _get_current_function_mode_stack():
            return apply(function, *args, **kwargs)
        return session.recorder.__torch_function__(Whole(apply, function), (), args, kwargs)

    return recorded


def _before_step(session: Session[T]) -> Callable[..., None]:
    def before(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if session.recorder.is_paused:
            session.recorder.leave()
        elif _is_listening(session):
            if not _has_closure(args, kwargs):
                session.steps(optimizer, sys._getframe(1))
                # It computes no loss, and parameters are where a loss begins.
                session.recorder.is_aside = type(optimizer).__module__.startswith(torch.optim.__name__)
            session.enters_step()

    return before


def _has_closure(args: Any, kwargs: Any) -> bool:
    """Whether a step is given what computes the loss."""
    return any(each is not None for each in (*args[1:], *kwargs.values()))


def _after_step(session: Session[T]) -> Callable[..., None]:
    def after(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if _is_listening(session):
            if _has_closure(args, kwargs):  # the gradients are those that it has just computed
                session.steps(optimizer, sys._getframe(1))
            session.stepped(optimizer)

    return after


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


def _identity(history: History, total: torch.Tensor, frame: FrameType | None) -> Hashable:
    """What made the loss and the calls that lead to its `backward`: the same for each minibatch."""
    number = history.trace.find(total)
    maker = None if number is None else history.maker(number)
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


def _by_name(frame: FrameType | None) -> dict[str, torch.Tensor]:
    """The tensors that are locals of the target's frames above `backward`, innermost first, by name."""
    found: dict[str, torch.Tensor] = {}
    while frame is not None:
        if not frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
            for name, value in frame.f_locals.items():
                if isinstance(value, torch.Tensor):
                    found.setdefault(name, value)
        frame = frame.f_back
    return found
