"""Edits written to files: only below the working directory, and only to the very text that they were made for."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppo_audit.findings import Edit
from ppo_audit.repair.change import applied, digest_of, overlap


@dataclass(frozen=True)
class Refusal:
    """An edit that was not written, and why."""

    edit: Edit
    why: str


def apply(edits: Sequence[Edit], root: Path) -> tuple[list[Edit], list[Refusal]]:
    """Write the edits, all those of a file at once; of two that touch the same place only the first."""
    written: list[Edit] = []
    refused: list[Refusal] = []
    for file in dict.fromkeys(edit.file for edit in edits):
        mine = list(dict.fromkeys(edit for edit in edits if edit.file == file))
        apart = [each for place, each in enumerate(mine) if not any(overlap(each, other) for other in mine[:place])]
        refused += [Refusal(each, "another fix changes the same place") for each in mine if each not in apart]
        why = _write(apart, root)
        refused += [Refusal(each, why) for each in apart if why]
        written += [] if why else apart
    return written, refused


def _write(edits: Sequence[Edit], root: Path) -> str:
    """Change one file; why not, where that is refused."""
    path = (root / edits[0].file).resolve()
    if not path.is_relative_to(root.resolve()):
        return f"`{edits[0].file}` lies outside of the working directory"
    try:
        raw = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"`{edits[0].file}` cannot be read ({error})"
    text = raw.replace("\r\n", "\n").replace("\r", "\n")
    if any(edit.digest != digest_of(text) for edit in edits):
        return f"`{edits[0].file}` has changed since it was audited; audit it again"
    changed = applied(text, [each for edit in edits for each in edit.replacements])
    try:
        _replace(path, changed.replace("\n", "\r\n") if "\r\n" in raw else changed)
    except OSError as error:
        return f"`{edits[0].file}` cannot be written ({error.strerror})"
    return ""


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all, with the permissions that it had.

    What Python compiled of the old text goes: within a second, and of one length, it would pass for that of the new.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        os.chmod(name, path.stat().st_mode)
        os.replace(name, path)
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
