"""The journal of a worker on disk: plain data, frame by frame, so that it can be read up to where the worker died."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from ppo_audit.findings import Confidence, Severity, Status, TargetReport
from ppo_audit.journal import Opened, Verdict
from ppo_audit.settings import Settings

HEADER = struct.Struct(">I")
OURS = ("ppo_audit.findings", "ppo_audit.journal", "ppo_audit.isolation.records")
"""Modules whose values may be read back."""
OUR_WORDS = (Confidence, Severity, Status)
LONGEST_TEXT = 4000


@dataclass(frozen=True)
class Errand:
    """A function of ours with its first arguments, by name: who asks need not import what measures."""

    module: str
    function: str
    arguments: tuple[Any, ...] = ()

    def __call__(self, spec: str, settings: Settings) -> Any:
        return getattr(importlib.import_module(self.module), self.function)(*self.arguments, spec, settings)


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do, and what earlier workers learnt of the same target.

    `skip` is why rules that are not known are not to be run any more. An `errand` is done instead of an audit.
    """

    spec: str
    settings: Settings
    journal: Path
    output: Path
    known: Mapping[str, Verdict] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    skip: str | None = None
    errand: Errand | None = None


@dataclass(frozen=True)
class Entered:
    """A stage has begun."""

    stage: str


@dataclass(frozen=True)
class Kept:
    """A rule has ended."""

    stage: str
    verdict: Verdict


@dataclass(frozen=True)
class Broke:
    """The audit was left by an exception: `of_the_target` where it is one that asks the process to end."""

    reason: str
    of_the_target: bool


@dataclass(frozen=True)
class Finished:
    """The handshake: without it a worker did not finish, whatever it returned."""

    entry: TargetReport


@dataclass(frozen=True)
class Brought:
    """What came of an errand."""

    value: Any


@dataclass(frozen=True)
class Refused:
    """Why an errand cannot be done: the user's to hear."""

    reason: str


@dataclass(frozen=True)
class Tampered:
    """What the target changed of what an audit stands on."""

    names: tuple[str, ...]


Record: TypeAlias = Entered | Opened | Kept | Broke | Tampered | Finished | Brought | Refused

_open, _write, _close = os.open, os.write, os.close


def append(path: Path, record: Record) -> None:
    """Write one frame; by path every time, since a target may close files that it did not open."""
    body = pickle.dumps(plain(record))
    file = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        _write(file, HEADER.pack(len(body)) + body)
    finally:
        _close(file)


def read(path: Path, start: int) -> tuple[list[Record], int]:
    """The whole frames from an offset on, and the offset behind them."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read()
    except OSError:
        return [], start
    found: list[Record] = []
    at = 0
    while at + HEADER.size <= len(data):
        (size,) = HEADER.unpack_from(data, at)
        if at + HEADER.size + size > len(data):
            break
        found.append(_load(data[at + HEADER.size : at + HEADER.size + size]))
        at += HEADER.size + size
    return found, start + at


class _Plain(pickle.Unpickler):
    """Makes nothing but our own plain values: what a target made is never unpickled."""

    def find_class(self, module: str, name: str) -> Any:
        if module in OURS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"`{module}.{name}` does not belong into a journal")


def _load(body: bytes) -> Record:
    record: Record = _Plain(io.BytesIO(body)).load()
    return record


def plain(value: Any) -> Any:
    """The same value without anything of the target: our own dataclasses, numbers, texts and containers of them."""
    if value is None or type(value) in (bool, int, float, str, *OUR_WORDS):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{entry.name: plain(getattr(value, entry.name)) for entry in fields(value)})
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return (tuple if isinstance(value, tuple) else list)(plain(item) for item in value)
    return _scalar(value)


def _scalar(value: Any) -> Any:
    """A number of a library as Python's; anything else in words."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    try:
        return str(value)[:LONGEST_TEXT]
    except Exception:
        return f"<{type(value).__name__}>"
