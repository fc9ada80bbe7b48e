"""Running a trainer under the recorder up to its first updates, and keeping what each `backward` was called on."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Generic, TypeVar
from unittest import mock

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS, Recorder, Trace
from ppo_audit.targets.resolve import describe

T = TypeVar("T")
CAPTURES = 4
"""Losses kept of a run: the first minibatch, where the ratio is 1, and a few later ones, where it has moved."""


class Stop(BaseException):
    """Leaves the target's code from inside `backward`; no `except Exception` of the target eats it."""


@dataclass(frozen=True)
class Capture:
    """A loss at the moment of its `backward`: the recording so far, and the names that tensors had in the caller."""

    loss: torch.Tensor
    trace: Trace = field(repr=False)
    names: dict[int, str] = field(repr=False)


@dataclass
class Session(Generic[T]):
    """What one run of a trainer gave: what was made of each loss, or why nothing could be."""

    lifted: list[T] = field(default_factory=list)
    declined: list[str] = field(default_factory=list)
    output: str = ""
    error: str | None = None


def record(start: Callable[[], object], name: str, lift: Callable[[Capture], T]) -> Session[T]:
    """Run `start` until enough losses were lifted or it ends; raises UsageError where it never calls `backward`.

    `lift` is called at each `backward`, before the graph is freed and the parameters move.
    """
    session, recorder = Session[T](), Recorder()
    printed = io.StringIO()
    with _capturing(session, recorder, lift), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            with recorder:
                start()
        except Stop:
            pass
        except (Exception, SystemExit) as error:
            session.error = describe(error)
    session.output = printed.getvalue()
    if not session.lifted and not session.declined:
        why = f"it ended with {session.error}" if session.error else "it ended without one"
        raise UsageError(
            f"`{name}` never called `backward`, so there is no loss to audit: {why}. Give arguments that make it "
            f"train, after `--`."
        )
    return session


@contextlib.contextmanager
def _capturing(session: Session[T], recorder: Recorder, lift: Callable[[Capture], T]) -> Iterator[None]:
    """Every way to start a backward pass goes through `torch.autograd.backward`."""
    original = torch.autograd.backward

    def backward(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        trace, recorder.trace = recorder.trace, Trace()
        for loss in [tensors] if isinstance(tensors, torch.Tensor) else list(tensors):
            if loss.numel() == 1 and trace.find(loss) is not None:
                _examine(session, Capture(loss, trace, _names(sys._getframe(1))), lift)
        if len(session.lifted) >= CAPTURES:
            raise Stop
        recorder.trace = Trace()
        return original(tensors, *args, **kwargs)

    with mock.patch.object(torch.autograd, "backward", backward):
        yield


def _examine(session: Session[T], capture: Capture, lift: Callable[[Capture], T]) -> None:
    try:
        session.lifted.append(lift(capture))
    except UsageError as error:
        session.declined.append(str(error))


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
