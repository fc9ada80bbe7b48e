"""Trainers: a script or a library's trainer class, run once under the recorder and lifted into a subject."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.recipes import RECIPES, Variant, variants_of
from ppo_audit.recording.session import Capture, Loss, Session, expect_losses, recording
from ppo_audit.recording.session import record as record_run
from ppo_audit.settings import Settings
from ppo_audit.stored import LiftedRun, load
from ppo_audit.subjects.evidence import REASONS, Named, NoRatio, find_boundary
from ppo_audit.subjects.memory import Keeper, Memory, read_by, writer
from ppo_audit.subjects.minibatches import agreed
from ppo_audit.subjects.observed import observed
from ppo_audit.subjects.polarity import with_measured_mask
from ppo_audit.subjects.replayed import Program, handed_out, program_of, replayed_subject, verify
from ppo_audit.subjects.run import named_outputs, total_of
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.resolve import existing_file, importable

SHOWN_NAMES = 8


def trainer_variants(spec: str, settings: Settings) -> list[tuple[str, Subject]]:
    """Every loss of every variant of a trainer as a verified replay, the one with the ratio first."""
    return [
        (name, subject)
        for variant in _variants(spec, settings)
        for name, subject in _named(variant.name, lift_all(spec, variant.start, settings.seed, settings.roles))
    ]


def _named(variant: str, subjects: Sequence[tuple[str, Subject]]) -> Iterator[tuple[str, Subject]]:
    (_, first), *others = subjects
    yield variant, first
    yield from ((f"{variant}, loss of {place}", subject) for place, subject in others)


def _variants(spec: str, settings: Settings) -> tuple[Variant, ...]:
    if spec in RECIPES:
        return variants_of(spec)
    return (Variant("default", script(existing_file(Path(spec)), settings.script_args)),)


def script(path: Path, arguments: tuple[str, ...]) -> Callable[[], object]:
    """Run the file as `python file.py arguments` would."""

    def start() -> object:
        before, sys.argv = sys.argv, [str(path), *arguments]
        try:
            with importable(path.resolve().parent), warnings.catch_warnings():
                return runpy.run_path(str(path), run_name="__main__")
        finally:
            sys.argv = before

    return start


def program(name: str, arguments: tuple[str, ...]) -> Callable[[], object]:
    """Run the module as `python -m name arguments` would."""

    def start() -> object:
        before, sys.argv = sys.argv, [name, *arguments]
        try:
            with importable(Path.cwd()), warnings.catch_warnings():
                return runpy.run_module(name, run_name="__main__", alter_sys=True)
        finally:
            sys.argv = before

    return start


def lift(spec: str, start: Callable[[], object], seed: int) -> Subject:
    """The loss with the ratio; raises UsageError with the reason where it cannot be followed."""
    ((_, policy), *_) = lift_all(spec, start, seed)
    return policy


def lift_all(spec: str, start: Callable[[], object], seed: int, named: Named = ()) -> list[tuple[str, Subject]]:
    """Every loss of a run by the place of its `backward`, the one with the ratio first.

    `named` are roles that the user gives to variables by name.
    """
    return subjects_of(spec, recorded_session(spec, start, named), seed)


def recorded_session(spec: str, start: Callable[[], object], named: Named = ()) -> Session[Program]:
    """A run, recorded as far as is needed."""
    lifting, looking = functools.partial(verified_program, named=named), functools.partial(observed, named=named)
    session = record_run(start, spec, lifting, looking)
    _expect_names(spec, session, named)
    return session


def stored_variants(spec: str, settings: Settings) -> list[tuple[str, Subject]]:
    """The losses of a run that was recorded to a file."""
    if settings.roles:
        raise UsageError("--role: the roles of a stored recording were found when it was made; give it to `record`.")
    return list(_named("default", _as_subjects(spec, load(existing_file(Path(spec))), settings.seed)))


def _expect_names(spec: str, session: Session[Program], named: Named) -> None:
    """Refuse a role that recordings do not have, and a name that no tensor had where `backward` was called."""
    for role, name in named:
        if role not in REASONS:
            raise UsageError(
                f"--role: `{role}` is no role of a recorded loss; expected one of {', '.join(REASONS)}."
                f"{did_you_mean(role, REASONS)}"
            )
        if name not in session.names:
            shown = ", ".join(f"`{each}`" for each in list(session.names)[:SHOWN_NAMES])
            raise UsageError(
                f"--role {role}={name}: `{spec}` held no tensor of that name where it called `backward`; expected the "
                f"name of a variable there, such as {shown}.{did_you_mean(name, session.names)}"
            )


@contextlib.contextmanager
def record() -> Iterator[Session[Program]]:
    """Record the losses of the block, for `audit`. The block runs to its end; the recording may end before."""
    session = Session(verified_program, observed, is_whole=False)
    with recording(session, session.end):
        yield session


def recorded_variants(session: Session[Program], spec: str, settings: Settings) -> list[tuple[str, Subject]]:
    """The losses of a recorded block."""
    expect_losses(session, spec, "Put the code that trains inside `with ppo_audit.record()`.")
    return list(_named("default", subjects_of(spec, session, settings.seed)))


def subjects_of(spec: str, session: Session[Program], seed: int) -> list[tuple[str, Subject]]:
    """What a run was lifted into; raises UsageError where its loss with the ratio is not among it."""
    return _as_subjects(spec, lifted_run(spec, session), seed)


def lifted_run(spec: str, session: Session[Program]) -> LiftedRun:
    """The losses that are judged, the one with the ratio first, why others are not, and the loop.

    Losses of separate `backward` calls are apart and not one sum: they may have other rows.
    """
    programs, declined = _lifted(spec, session)
    policies = [(place, program) for place, program in programs if "log_prob" in program.boundary.numbers]
    reasons = [f"the loss of {place} is not judged: {reason}" for place, reason in declined]
    if session.error:
        reasons.append(f"the run ended with {session.error}; what was recorded until then is judged")
    if not policies:
        raise UsageError(f"`{spec}` was recorded, but {_gravest(declined)}")
    known = frozenset(role for _, program in policies for role in program.boundary.numbers)
    beside = [(place, program) for place, program in programs if known.isdisjoint(program.boundary.numbers)]
    return LiftedRun(spec, (*policies, *beside), tuple(reasons), session.watcher.loop(session.is_whole))


def _as_subjects(spec: str, run: LiftedRun, seed: int) -> list[tuple[str, Subject]]:
    subjects = [(place, replayed_subject(spec, program, seed)) for place, program in run.programs]
    (place, first), *others = [
        (place, dataclasses.replace(subject, not_covered=run.reasons)) for place, subject in subjects
    ]
    return [(place, dataclasses.replace(first, loop=run.loop)), *others]


Declined = list[tuple[str, UsageError]]


def _lifted(spec: str, session: Session[Program]) -> tuple[list[tuple[str, Program]], Declined]:
    """The first program of each loss that could be followed at every minibatch, and why the others could not."""
    programs: list[tuple[str, Program]] = []
    declined: Declined = []
    for loss in session.losses.values():
        try:
            programs += [(loss.place, program) for program in _agreed(spec, loss)]
        except UsageError as error:
            declined.append((loss.place, error))
    return programs, declined


def _agreed(spec: str, loss: Loss[Program]) -> list[Program]:
    """One program for each set of roles, which the later minibatches confirm; a single decline declines the loss."""
    if loss.declined:
        raise loss.declined[0]
    is_at_old_policy = all(program.is_at_old_policy for program in loss.lifted)
    return [dataclasses.replace(program, is_at_old_policy=is_at_old_policy) for program in agreed(spec, loss.lifted)]


def _gravest(declined: Declined) -> UsageError:
    """Of several reasons the one that is about a loss with a ratio, if there is one."""
    return min((error for _, error in declined), key=lambda error: isinstance(error, NoRatio), default=NoRatio())


def lift_call(spec: str, function: Callable[..., Any], make_inputs: Callable[[], Any], settings: Settings) -> Subject:
    """Call a loss once on inputs that the user makes, (arguments), {keywords} or both, and lift it from that call."""
    keeper, changed = Keeper(function), list[Memory]()

    def start() -> None:
        args, kwargs = _as_arguments(make_inputs())
        total = total_of(named_outputs(function(*args, **kwargs), spec), spec)
        changed.extend(keeper.put_back())
        torch.autograd.backward(total)

    programs: list[Program] = []

    def lifted(capture: Capture) -> Program:
        programs.append(verified_program(capture))
        return programs[-1]

    session = record_run(start, spec, lifted, observed)
    ((_, subject), *_) = subjects_of(spec, session, settings.seed)
    memories = read_by(programs[0], tuple(changed))
    whole = session.recorder.trace  # what is written after it was read is no part of the loss
    written = {f"memory:{memory.name}": op for memory in memories if (op := writer(whole, memory))}
    remembered = {memory.name: (memory.before, memory.after) for memory in memories}
    origins = {**subject.origins, **written}
    return dataclasses.replace(subject, kind="loss", remembered=remembered, origins=origins)


def _as_arguments(made: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(made, Mapping):
        return (), dict(made)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], tuple) and isinstance(made[1], Mapping):
        return made[0], dict(made[1])
    return (made if isinstance(made, tuple) else (made,)), {}


def verified_program(capture: Capture, named: Named = ()) -> Program:
    """The replayable program of one captured loss, checked against what was recorded."""
    boundary = find_boundary(capture, named)
    program = program_of(capture, boundary)
    try:
        verify(program)
    except UsageError as error:
        raise error if "log_prob" in boundary.numbers else NoRatio() from error
    program = with_measured_mask(program)
    return handed_out(program) if capture.is_handed_out else program
