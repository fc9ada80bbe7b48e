"""The file itself: `ppo-audit.toml`, or `[tool.ppo-audit]` in `pyproject.toml`, here or in the nearest folder above."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppo_audit.errors import UsageError

OWN_FILE = "ppo-audit.toml"
SHARED_FILE = "pyproject.toml"


@dataclass(frozen=True)
class Document:
    """The tables of one file, and what to call them in a message."""

    path: Path
    label: str
    tables: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """What paths in the file are relative to."""
        return self.path.parent


def find(start: Path) -> Document | None:
    """The nearest configuration, looking upwards; a file of our own goes before a shared one beside it."""
    for folder in (start, *start.parents):
        for name in (OWN_FILE, SHARED_FILE):
            found = read(folder / name) if (folder / name).is_file() else None
            if found is not None:
                return found
    return None


def named(path: Path) -> Document:
    """The configuration in the file that the user names."""
    if not path.is_file():
        raise UsageError(f"--config: `{path}` is no file; expected one that `ppo-audit init` has written.")
    found = read(path.resolve())
    if found is None:
        raise UsageError(f"--config: `{path}` has no table [tool.ppo-audit]; add one, or name another file.")
    return found


def read(path: Path) -> Document | None:
    """The tables of a file; None where it is a shared file that says nothing to us."""
    tables = _tables(path)
    if path.name != SHARED_FILE:
        return Document(path, path.name, tables)
    tool = tables.get("tool")
    own = tool.get("ppo-audit") if isinstance(tool, dict) else None
    if own is None:
        return None
    if not isinstance(own, dict):
        raise UsageError(f"{path.name}: `tool.ppo-audit` is no table; expected [tool.ppo-audit] and keys below it.")
    return Document(path, f"{path.name} [tool.ppo-audit]", own)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"`{path.name}` is no valid TOML: {error}.") from error
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"`{path.name}` cannot be read: {error}.") from error
