"""From a target spec to an object: `pkg.mod:attr`, `path/file.py:attr`, or a script `path/file.py`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from ppo_audit.errors import UsageError, did_you_mean
from ppo_audit.recording.trace import TORCH_FOLDERS, Site, site_of
from ppo_audit.targets.names import is_scalar, role_of

LONGEST_MESSAGE = 500


def resolve(spec: str) -> Any:
    """The object that a spec names; raises UsageError where it cannot be had."""
    place, _, attribute = spec.partition(":")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_module(place)
    if not attribute:
        names = ", ".join(f"`{place}:{name}`" for name in _callables(module)[:5])
        raise UsageError(
            f"`{spec}` names a module; expected one of its functions, such as {names or '`module:function`'}."
        )
    return functools.reduce(functools.partial(_attribute, spec), attribute.split("."), module)


def is_script(spec: str) -> bool:
    """Whether a spec is a Python file to be run rather than an object to be called."""
    return spec.endswith(".py") and ":" not in spec


def existing_file(path: Path) -> Path:
    """The path, if there is a file with something in it."""
    if not path.is_file():
        raise UsageError(f"`{path}` does not exist; expected the path of a Python file, seen from {Path.cwd().name}/.")
    if not path.read_text(encoding="utf-8", errors="replace").strip():
        raise UsageError(f"`{path}` is empty: there is nothing to audit in it.")
    return path


def _from_file(path: Path) -> ModuleType:
    existing_file(path)
    name = f"ppo_audit_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with importable(path.resolve().parent), importing(str(path)):
        spec.loader.exec_module(module)
    return module


def _from_module(name: str) -> ModuleType:
    with importable(Path.cwd()), importing(name):
        return importlib.import_module(name)


@contextlib.contextmanager
def importable(folder: Path) -> Iterator[None]:
    """The folder is on `sys.path`, as the working directory is for `python -m`."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def importing(name: str) -> Iterator[None]:
    """Whatever stops the import becomes a message with the place in the user's own code."""
    try:
        with uncompiled():
            yield
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        hint = "" if error.name != name else " Give `package.module:function` or `path/file.py:function`."
        raise UsageError(f"`{name}` cannot be imported: no module named `{error.name}`.{hint}") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"`{name}` cannot be imported: {describe(error)}") from error


@contextlib.contextmanager
def uncompiled() -> Iterator[None]:
    """Functions that are compiled where they are defined stay what was written: compiled code shows no operations."""
    script, compiled = torch.jit.script, torch.compile
    torch.jit.script = lambda obj, *args, **kwargs: obj
    torch.compile = lambda model=None, **kwargs: model or (lambda inner: inner)  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.jit.script, torch.compile = script, compiled


def describe(error: BaseException) -> str:
    """An error of the user's code in one line: type, message, and the innermost line of his that raised it."""
    site = culprit(error)
    place = f" ({Path(site.file).name}:{site.line})" if site else ""
    return f"{type(error).__name__}: {_first_line(error) or 'no message'}{place}"


def _first_line(error: BaseException) -> str:
    """What the error says, as far as it can say something; of megabytes the beginning."""
    try:
        lines = str(error)[:LONGEST_MESSAGE].strip().splitlines()
    except Exception:
        return "its message cannot be printed"
    return lines[0] if lines else ""


def culprit(error: BaseException) -> Site | None:
    """The innermost call outside torch and this tool on the way to an error; None where only they were involved."""
    frame, found = error.__traceback__, None
    while frame is not None:
        code = frame.tb_frame.f_code
        if not code.co_filename.startswith((*TORCH_FOLDERS, "<")) and not is_own(code.co_filename):
            found = site_of(code, frame.tb_lasti)
        frame = frame.tb_next
    return found


def is_own(file: str) -> bool:
    """Whether a file belongs to the tool; the bundled example and the reference are code like a user's."""
    path, root = Path(file), Path(__file__).parent.parent
    return path.is_relative_to(root) and not any(path.is_relative_to(root / name) for name in ("demo", "reference"))


def _attribute(spec: str, parent: Any, name: str) -> Any:
    try:
        return getattr(parent, name)
    except AttributeError:
        names = [n for n in dir(parent) if not n.startswith("_")]
        raise UsageError(
            f"`{spec}`: there is no `{name}` in `{getattr(parent, '__name__', parent)}`.{did_you_mean(name, names)} "
            f"It has: {', '.join(_callables(parent)[:8]) or 'nothing to call'}."
        ) from None


def _callables(parent: Any) -> list[str]:
    own = getattr(parent, "__name__", None)
    return [
        name
        for name, value in vars(parent).items()
        if not name.startswith("_") and callable(value) and getattr(value, "__module__", own) == own
    ]


def as_function(target: Any, spec: str, values: Mapping[str, Any]) -> Callable[..., Any]:
    """Something to call: a function as it is, a loss class built with its defaults, a module by its `forward`."""
    if inspect.isclass(target):
        target = _instance(target, spec, values)
    if isinstance(target, torch.nn.Module):
        return target.forward
    if not callable(target):
        raise UsageError(
            f"`{spec}` is a `{type(target).__name__}`, which is not callable; expected a function, a class or an "
            f"instance with `__call__` that computes a loss."
        )
    if inspect.isroutine(target) or isinstance(target, functools.partial):
        return _bound(target, spec)
    return target.__call__  # type: ignore[no-any-return]


def _bound(function: Any, spec: str) -> Callable[..., Any]:
    """A method named through its class is called on an object built without arguments."""
    parameters = list(inspect.signature(function).parameters)
    owner = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not (parameters[:1] == ["self"] and owner and "<locals>" not in owner):
        return function  # type: ignore[no-any-return]
    module = sys.modules[function.__module__]
    cls: Any = functools.reduce(getattr, owner.split("."), module)
    return getattr(_instance(cls, spec, {}), function.__name__)  # type: ignore[no-any-return]


def _instance(cls: type, spec: str, values: Mapping[str, Any]) -> Any:
    """An object of the class, built with its defaults, with usual values for scalars that it requires."""
    from ppo_audit.targets.names import DEFAULT_VALUES

    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        role = role_of(name)
        if name in values:
            arguments[name] = values[name]
        elif parameter.default is parameter.empty and role and is_scalar(role):
            arguments[name] = DEFAULT_VALUES[role]
    try:
        return cls(**arguments)
    except Exception as error:
        raise UsageError(
            f"`{spec}` is a class that cannot be built without arguments: {describe(error)}. "
            f"Name an instance, or set what it needs with `--set name=value`."
        ) from error


def source_of(function: Callable[..., Any]) -> tuple[str | None, int | None]:
    """File and first line of a callable, where it has source."""
    target = function.func if isinstance(function, functools.partial) else function
    try:
        return inspect.getsourcefile(inspect.unwrap(target)), inspect.getsourcelines(target)[1]
    except (TypeError, OSError):
        return None, None
