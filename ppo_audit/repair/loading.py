"""The target opened with an edited text in place of one of its files: in memory, nothing is written."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import IO

Loader = importlib.machinery.SourceFileLoader


@contextlib.contextmanager
def in_place_of(file: str, text: str, spec: str) -> Iterator[None]:
    """Whatever is imported from `file` meanwhile is made of `text`; the modules of file and spec are imported anew."""
    path = Path(file).resolve()
    usual = Loader.get_code

    def get_code(self: Loader, name: str) -> CodeType | None:
        if Path(self.path).resolve() == path:
            return compile(text, str(self.path), "exec", dont_inherit=True)
        return usual(self, name)

    def open_code(name: str) -> IO[bytes]:
        """Scripts are read by `runpy`, which asks no loader."""
        return io.BytesIO(text.encode()) if Path(name).resolve() == path else usually_open(name)

    names = _modules(path, spec)
    usually_open = io.open_code
    put_aside = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    Loader.get_code, io.open_code = get_code, open_code  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Loader.get_code, io.open_code = usual, usually_open  # type: ignore[method-assign]
        for name in names:
            sys.modules.pop(name, None)
        for name, module in put_aside.items():
            sys.modules[name] = module
            _as_attribute(name, module)


@functools.lru_cache(maxsize=64)
def _modules(path: Path, spec: str) -> tuple[str, ...]:
    """The names under which a file and the module of a spec are imported."""
    place = spec.partition(":")[0]
    own = f"ppo_audit_target_{Path(place).stem}" if place.endswith(".py") else place
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    same = [name for name, file in files.items() if isinstance(file, str) and file.endswith(path.name)]
    return tuple(dict.fromkeys((own, *(name for name in same if Path(str(files[name])).resolve() == path))))


def _as_attribute(name: str, module: ModuleType) -> None:
    """A package holds its modules as attributes, and importing one sets it."""
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], last, module)
