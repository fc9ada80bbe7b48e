"""State that a target shares with whoever audits it in process: as it was before, once the audit has ended."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import torch

PATCHABLE = (torch, torch.nn.functional, torch.autograd, torch.distributions, torch.linalg, torch.special)
"""Namespaces that a target may patch."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Generators, modes, defaults, torch's own functions, folder, environment and handlers are put back at the end."""
    undo = [*_generators(), *_modes(), *_namespaces(), *_process()]
    try:
        yield
    finally:
        for put_back, value in undo:
            with contextlib.suppress(OSError, ValueError):
                put_back(value)


def use_one_core() -> None:
    """Audited tensors are small and others work beside us: threads that wait for each other cost ten times the work."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


Undo = tuple[Callable[[Any], object], Any]


def _generators() -> list[Undo]:
    return [
        (random.setstate, random.getstate()),
        (numpy.random.set_state, numpy.random.get_state()),
        (torch.set_rng_state, torch.get_rng_state()),
    ]


def _modes() -> list[Undo]:
    return [
        (torch.set_default_dtype, torch.get_default_dtype()),
        (torch.set_grad_enabled, torch.is_grad_enabled()),
        (torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled()),
        (torch.autograd.set_detect_anomaly, torch.is_anomaly_enabled()),
        (torch.set_num_threads, torch.get_num_threads()),
        (sys.setrecursionlimit, sys.getrecursionlimit()),
    ]


def _namespaces() -> list[Undo]:
    return [(_refill(vars(space)), dict(vars(space))) for space in PATCHABLE]


def _refill(namespace: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Names that were there get their values back; what was added meanwhile, such as a submodule, stays."""

    def put_back(before: dict[str, Any]) -> None:
        namespace.update(before)

    return put_back


def _process() -> list[Undo]:
    undo: list[Undo] = [
        (_set_environment, dict(os.environ)),
        (_set_path, list(sys.path)),
        (_set_streams, (sys.stdin, sys.stdout, sys.stderr, sys.argv)),
        (_set_filters, list(warnings.filters)),
    ]
    with contextlib.suppress(OSError):
        undo.append((os.chdir, os.getcwd()))
    if threading.current_thread() is threading.main_thread():
        undo += [(_set_handler(number), handler) for number in SIGNALS if (handler := signal.getsignal(number))]
    return undo


def _set_environment(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)


def _set_path(before: list[str]) -> None:
    sys.path[:] = before


def _set_streams(before: tuple[Any, Any, Any, Any]) -> None:
    sys.stdin, sys.stdout, sys.stderr, sys.argv = before


def _set_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]


def _set_handler(number: signal.Signals) -> Callable[[Any], object]:
    return lambda handler: signal.signal(number, handler)
