"""Trainers: a script or a library's trainer class, run once under the recorder and lifted into a subject."""

from __future__ import annotations

import dataclasses
import importlib
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recipes import RECIPES, Variant
from ppo_audit.recording.session import Capture, record
from ppo_audit.settings import Settings
from ppo_audit.subjects.evidence import find_boundary
from ppo_audit.subjects.replayed import Program, program_of, replay, replayed_subject, verify
from ppo_audit.subjects.run import named_outputs, total_of
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.resolve import existing_file, importable


def trainer_variants(spec: str, settings: Settings) -> list[tuple[str, Subject]]:
    """Every variant of a trainer as a verified replay."""
    return [(variant.name, lift(spec, variant.start, settings.seed)) for variant in _variants(spec, settings)]


def _variants(spec: str, settings: Settings) -> tuple[Variant, ...]:
    if spec in RECIPES:
        variants: tuple[Variant, ...] = importlib.import_module(RECIPES[spec]).variants()
        return variants
    return (Variant("default", _script(existing_file(Path(spec)), settings.script_args)),)


def _script(path: Path, arguments: tuple[str, ...]) -> Callable[[], object]:
    """Run the file as `python file.py arguments` would."""

    def start() -> object:
        before, sys.argv = sys.argv, [str(path), *arguments]
        try:
            with importable(path.resolve().parent):
                return runpy.run_path(str(path), run_name="__main__")
        finally:
            sys.argv = before

    return start


def lift(spec: str, start: Callable[[], object], seed: int) -> Subject:
    """Record, cut, verify and check on the later minibatches; raises UsageError with the reason where that fails."""
    session = record(start, spec, verified_program)
    if not session.lifted:
        raise UsageError(f"`{spec}` was recorded, but {session.declined[0]}")
    first, *others = session.lifted
    for later in others:
        _cross_check(spec, first, later)
    return replayed_subject(spec, first, seed)


def lift_call(spec: str, function: Callable[..., Any], make_inputs: Callable[[], Any], settings: Settings) -> Subject:
    """Call a loss once on inputs that the user makes, (arguments), {keywords} or both, and lift it from that call."""

    def start() -> None:
        args, kwargs = _as_arguments(make_inputs())
        torch.autograd.backward(total_of(named_outputs(function(*args, **kwargs), spec), spec))

    return dataclasses.replace(lift(spec, start, settings.seed), kind="loss")


def _as_arguments(made: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(made, Mapping):
        return (), dict(made)
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], tuple) and isinstance(made[1], Mapping):
        return made[0], dict(made[1])
    return (made if isinstance(made, tuple) else (made,)), {}


def verified_program(capture: Capture) -> Program:
    """The replayable program of one captured loss, checked against what was recorded."""
    program = program_of(capture, find_boundary(capture))
    verify(program)
    return program


def _cross_check(spec: str, first: Program, later: Program) -> None:
    """The first program on a later minibatch's values must give that minibatch's loss: nothing was baked in."""
    values = later.recorded()
    mine = first.recorded()
    if {role: tuple(value.shape) for role, value in values.items()} != {r: tuple(v.shape) for r, v in mine.items()}:
        return
    run = replay(first, values, later.loss.dtype, {}, {})
    if not torch.equal(run.loss.detach(), later.loss.detach()):
        raise UsageError(
            f"`{spec}` was recorded, but its loss depends on more than the recorded roles: replayed on a later "
            f"minibatch it gives {run.loss.item():.9g} where the trainer had {later.loss.item():.9g}. It is declined "
            f"rather than audited wrongly."
        )


__all__ = ["lift", "lift_call", "trainer_variants"]
