"""The recorder: every torch operation of a run, in order, with the file, line and columns that asked for it.

A `Trace` is in single-assignment form: each operation names the values it reads and writes by number, so that an
in-place write makes a new value of the same tensor. An intervention replaces one call, and only it, while the target
runs.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

TORCH_FOLDERS = tuple(f"{folder}{os.sep}" for folder in torch.__path__)  # not torchrl, which lies beside it
OWN_FOLDER = f"{Path(__file__).parent}{os.sep}"
READS = frozenset(
    "shape size numel dim ndim __len__ __bool__ item __float__ __int__ __index__ tolist numpy __array__ stride "
    "is_contiguous".split()
)
SHAPE_READS = frozenset("shape size numel __len__".split())
IN_PLACE_EXCEPTIONS = frozenset(("requires_grad_", "retain_grad"))

Intervention = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]


class Site(NamedTuple):
    """Where one call stands in the source; columns count from 0, as Python gives them."""

    file: str
    line: int
    end_line: int
    column: int
    end_column: int
    function: str


class OpKey(NamedTuple):
    """One call of a run, the same in every run that takes the same path."""

    file: str
    function: str
    offset: int
    name: str
    occurrence: int


@dataclass(frozen=True)
class Whole:
    """A custom `autograd.Function` as one operation, whose inner ones are not recorded: its gradient is its own."""

    apply: Callable[..., Any]
    function: Any

    @property
    def __name__(self) -> str:
        return str(self.function.__name__)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with torch._C.DisableTorchFunction():
            return self.apply(self.function, *args, **kwargs)


EVERY = -1
"""As the occurrence of a key: all calls at that place, of a loop or of a function that is called again and again."""


def chosen(interventions: Mapping[OpKey, Intervention], key: OpKey) -> Intervention | None:
    """What replaces a call: what is meant for it, or for all calls at its place."""
    return interventions.get(key) or interventions.get(key._replace(occurrence=EVERY))


@dataclass(slots=True, eq=False)
class Op:
    """One recorded operation. `via` is the torch method that the target called, where it did not call `func` itself."""

    func: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    key: OpKey
    site: Site | None
    via: str | None
    grad_enabled: bool


class Read(NamedTuple):
    """A read that leaves torch: the value may steer a Python decision. `at` operations were recorded before it."""

    name: str
    value: int
    site: Site | None
    in_target: bool
    at: int


@dataclass
class Trace:
    """Operations in order, and the tensor behind every value number (strongly held, so that identities stay unique)."""

    ops: list[Op] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    tensors: list[torch.Tensor] = field(default_factory=list)
    current: dict[int, int] = field(default_factory=dict)
    _lying: dict[int, dict[int, torch.Tensor]] | None = field(default=None, repr=False, compare=False)
    """Known tensors by where their numbers lie, made when first asked for: a rollout writes thousands of times."""

    def value_of(self, tensor: torch.Tensor) -> int:
        """The number of the tensor's present content; a tensor never seen before becomes a leaf."""
        number = self.current.get(id(tensor))
        return self._new(tensor) if number is None else number

    def find(self, tensor: torch.Tensor) -> int | None:
        return self.current.get(id(tensor))

    def write(self, tensor: torch.Tensor) -> int:
        return self._new(tensor)

    def aliases(self, tensor: torch.Tensor) -> Iterator[torch.Tensor]:
        """Known tensors on the same storage, which an in-place write changes too."""
        pointer = _memory(tensor)
        if self._lying is None:
            self._lying = {}
            for number in self.current.values():
                self._note(self.tensors[number])
        known = () if pointer is None else tuple(self._lying.get(pointer, {}).values())
        for other in known:
            if other is not tensor and self.current.get(id(other)) is not None and _memory(other) == pointer:
                yield other

    def _note(self, tensor: torch.Tensor) -> None:
        pointer = _memory(tensor) if self._lying is not None else None
        if self._lying is not None and pointer is not None:
            self._lying.setdefault(pointer, {})[id(tensor)] = tensor

    def clear(self) -> None:
        self.ops.clear()
        self.reads.clear()
        self.tensors.clear()
        self.current.clear()
        self._lying = None

    def copy(self) -> Trace:
        """The recording as it is now; what is recorded later does not enter it."""
        return Trace(list(self.ops), list(self.reads), list(self.tensors), dict(self.current))

    def since(self, start: int) -> Trace:
        """The operations from the one with this index on, their values numbered anew in the same order."""
        ops = self.ops[start:]
        kept = sorted({number for op in ops for number in (*op.inputs, *op.outputs)})
        fresh = {number: index for index, number in enumerate(kept)}
        renumbered = [
            replace(op, inputs=tuple(fresh[n] for n in op.inputs), outputs=tuple(fresh[n] for n in op.outputs))
            for op in ops
        ]
        return Trace(
            renumbered,
            [read._replace(value=fresh[read.value], at=read.at - start) for read in self.reads if read.value in fresh],
            [self.tensors[number] for number in kept],
            {key: fresh[number] for key, number in self.current.items() if number in fresh},
        )

    def _new(self, tensor: torch.Tensor) -> int:
        self.tensors.append(tensor)
        self.current[id(tensor)] = len(self.tensors) - 1
        self._note(tensor)
        return len(self.tensors) - 1


class Recorder(TorchFunctionMode):
    """Records while active. `placed` replaces what calls return; `interventions` replace calls, and are recorded.

    Where `limit` operations are passed, it calls `when_reached`, once.
    """

    def __init__(
        self,
        interventions: Mapping[OpKey, Intervention] | None = None,
        placed: Mapping[OpKey, Intervention] | None = None,
    ) -> None:
        super().__init__()
        self.trace = Trace()
        self.is_paused = False
        self.limit: int | None = None
        self.when_reached: Callable[[], object] = lambda: None
        self.interventions, self.placed = interventions or {}, placed or {}
        self._occurrences: dict[tuple[str, str, int, str], int] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.is_paused:
            return func(*args, **kwargs)
        if self.limit is not None and len(self.trace.ops) > self.limit:
            self.limit = None
            self.when_reached()
        frame, via = _calling_frame(sys._getframe(1))
        name = name_of(func)
        via = None if via == name else via  # a method that torch writes in Python calls itself
        key = self._key(frame, name)
        edit = chosen(self.interventions, key) if self.interventions else None
        if edit is not None and key not in self.placed:
            return self._replaced(edit, key, frame, (func, args, kwargs))
        inputs = tuple(self.trace.value_of(leaf) for leaf in tensors_in((args, kwargs)))
        grad_enabled = torch.is_grad_enabled()
        replacement = self.placed.get(key)
        out = replacement(func, args, kwargs) if replacement else func(*args, **kwargs)
        site = site_of(frame.f_code, frame.f_lasti) if frame else None
        if name in READS:
            self.trace.reads.extend(Read(name, value, site, via is None, len(self.trace.ops)) for value in inputs[:1])
        outputs = self._written(name, args, kwargs, out)
        if outputs:
            self.trace.ops.append(Op(func, name, args, kwargs, inputs, outputs, key, site, via, grad_enabled))
        return out

    def _replaced(
        self,
        edit: Intervention,
        key: OpKey,
        frame: FrameType | None,
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]],
    ) -> Any:
        """What the intervention returns; the operation that made it is recorded as the call that it replaces."""
        before = len(self.trace.ops)
        with self:
            out = edit(*call)
        made = self.trace.ops[before:][-1:]
        if made and isinstance(out, torch.Tensor) and self.trace.find(out) in made[0].outputs:
            site = site_of(frame.f_code, frame.f_lasti) if frame else None
            self.trace.ops[-1] = replace(made[0], key=key, site=site)
        return out

    def _key(self, frame: FrameType | None, name: str) -> OpKey:
        place = (
            (frame.f_code.co_filename, frame.f_code.co_qualname, frame.f_lasti, name) if frame else ("", "", 0, name)
        )
        occurrence = self._occurrences.get(place, 0)
        self._occurrences[place] = occurrence + 1
        return OpKey(*place, occurrence)

    def _written(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> tuple[int, ...]:
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        mutated = args[:1] if is_in_place(name) else ()
        targets = [t for t in (*mutated, kwargs.get("out")) if isinstance(t, torch.Tensor)]
        touched = [alias for target in targets for alias in self.trace.aliases(target)]
        unique = {id(tensor): tensor for tensor in (*outputs, *targets, *touched)}
        return tuple(self.trace.write(tensor) for tensor in unique.values())


def _memory(tensor: torch.Tensor) -> int | None:
    """Where a tensor's numbers lie; None for one that stands for many, as inside `vmap`."""
    try:
        return tensor.untyped_storage().data_ptr()
    except NotImplementedError:
        return None


def name_of(func: Callable[..., Any]) -> str:
    """The plain name of a torch function; of a property getter, the property's name."""
    name = getattr(func, "__name__", type(func).__name__)
    return func.__self__.__name__ if name == "__get__" else name  # type: ignore[attr-defined]


def is_in_place(name: str) -> bool:
    if name in IN_PLACE_EXCEPTIONS:
        return False
    is_augmented = name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
    return is_augmented or name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


def tensors_in(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def _calling_frame(frame: FrameType | None) -> tuple[FrameType | None, str | None]:
    """The innermost frame outside torch, and the outermost torch function between it and the operation."""
    via = None
    while frame is not None and frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
        via = frame.f_code.co_name
        frame = frame.f_back
    return frame, via


def site_of(code: CodeType, offset: int) -> Site:
    """Where a call stands in the source."""
    return _site(code.co_filename, code, offset)


@functools.lru_cache(maxsize=4096)
def _site(file: str, code: CodeType, offset: int) -> Site:
    # The file is part of the key, since code of two files is equal where the text is.
    line, end_line, column, end_column = list(code.co_positions())[offset // 2]
    first = line or code.co_firstlineno
    return Site(file, first, end_line or first, column or 0, end_column or 0, code.co_qualname)
