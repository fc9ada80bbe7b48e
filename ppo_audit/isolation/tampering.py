"""What an audit stands on and a target may break: modules, built-in functions, the import path, names of torch."""

from __future__ import annotations

import builtins
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

MENDED = {"builtins": builtins, "os": os, "pickle": pickle, "time": time}
TOLD_ONLY = {"torch": torch, "torch.nn.functional": torch.nn.functional}
"""A target may depend on what it replaced in torch: that is told and stays."""


@dataclass(frozen=True)
class Ground:
    """How all of it was before the target was imported."""

    modules: dict[str, Any]
    path: list[str]
    names: dict[str, dict[str, Any]]

    def mend(self) -> Iterator[str]:
        """Put back what is ours; the names of what was changed, whether ours or not."""
        lost = [name for name, module in self.modules.items() if sys.modules.get(name) is not module]
        if lost:
            sys.modules.update(self.modules)
            yield "sys.modules"
        if missing := [entry for entry in self.path if entry not in sys.path]:
            sys.path.extend(missing)
            yield "sys.path"
        for space, module in (MENDED | TOLD_ONLY).items():
            changed = [name for name, value in self.names[space].items() if vars(module).get(name) is not value]
            if changed and space in MENDED:
                vars(module).update(self.names[space])
            yield from (f"{space}.{name}" for name in sorted(changed))


def ground() -> Ground:
    """What there is now."""
    spaces = {space: _functions(module) for space, module in (MENDED | TOLD_ONLY).items()}
    return Ground(dict(sys.modules), list(sys.path), spaces)


def _functions(module: Any) -> dict[str, Callable[..., object]]:
    return {name: value for name, value in vars(module).items() if callable(value)}
