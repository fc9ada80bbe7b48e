"""The recorder: every torch operation of a run, in order, with the file, line and columns that asked for it.

A `Trace` is in single-assignment form: each operation names the values it reads and writes by number, so that an
in-place write makes a new value of the same tensor. An intervention replaces one call, and only it, while the target
runs.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeVar

import numpy
import torch
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._pytree import tree_leaves

from ppo_audit.recording.overlaps import Overlaps, Region, is_alone, region_of, row_of

TORCH_FOLDERS = tuple(f"{folder}{os.sep}" for folder in torch.__path__)  # not torchrl, which lies beside it
OWN_FOLDER = f"{Path(__file__).parent}{os.sep}"
READS = frozenset(
    "shape size numel dim ndim __len__ __bool__ item __float__ __int__ __index__ tolist numpy __array__ stride "
    "is_contiguous".split()
)
SHAPE_READS = frozenset("shape size numel __len__".split())
NUMBER_READS = frozenset("__bool__ item __float__ numpy __array__".split())
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


Chosen = TypeVar("Chosen")
EVERY = -1
"""As the occurrence of a key: all calls at that place, of a loop or of a function that is called again and again."""


def chosen(interventions: Mapping[OpKey, Chosen], key: OpKey) -> Chosen | None:
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
    """A read by the target that leaves torch: it may steer a Python decision. `at` operations were recorded before."""

    name: str
    value: int
    site: Site | None
    at: int


@dataclass
class Trace:
    """Operations in order, and the tensor behind every value number (strongly held, so that identities stay unique)."""

    ops: list[Op] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    tensors: list[torch.Tensor] = field(default_factory=list)
    current: dict[int, int] = field(default_factory=dict)
    _overlaps: Overlaps = field(default_factory=Overlaps, repr=False, compare=False)
    """Known tensors by where their numbers lie, as far as asked for."""
    _noted: int = field(default=0, repr=False, compare=False)

    def value_of(self, tensor: torch.Tensor) -> int:
        """The number of the tensor's present content; a tensor never seen before becomes a leaf."""
        number = self.current.get(id(tensor))
        return self.write(tensor) if number is None else number

    def find(self, tensor: torch.Tensor) -> int | None:
        return self.current.get(id(tensor))

    def write(self, tensor: torch.Tensor) -> int:
        """A new number for the tensor's content."""
        self.current[id(tensor)] = number = len(self.tensors)
        self.tensors.append(tensor)
        return number

    def values_of(self, items: Iterable[Any]) -> list[int]:
        """The numbers of the tensors among arguments, in the order of pytrees, at a fraction of their price."""
        found: list[int] = []
        for item in items:
            holds = HOLDS[type(item)]
            if holds == A_TENSOR:
                number = self.current.get(id(item))
                found.append(self.write(item) if number is None else number)
            elif holds == ITEMS:
                found += self.values_of(item)
            elif holds == ANYTHING:
                found += self.values_of([leaf for leaf in tree_leaves(item) if isinstance(leaf, torch.Tensor)])
        return found

    def aliases(self, tensor: torch.Tensor, written: Region | None) -> Iterator[torch.Tensor]:
        """Known tensors that show a part of what is written in place into one of them."""
        if written is None:
            return
        for known in self.tensors[self._noted :]:
            self._overlaps.add(known)
        self._noted = len(self.tensors)
        for other in self._overlaps.with_part_of(written):
            if other is not tensor and id(other) in self.current and _is_at(other, written):
                yield other

    def clear(self) -> None:
        self.ops.clear()
        self.reads.clear()
        self.tensors.clear()
        self.current.clear()
        self._overlaps = Overlaps()
        self._noted = 0

    def copy(self) -> Trace:
        """The recording as it is now; what is recorded later does not enter it."""
        return Trace(list(self.ops), list(self.reads), list(self.tensors), dict(self.current))


NOTHING: dict[str, Any] = {}
"""The keyword arguments of most calls."""


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
        self.is_aside = False
        self.has_left = False
        self.limit: int | None = None
        self.when_reached: Callable[[], object] = lambda: None
        self.interventions, self.placed = interventions or {}, placed or {}
        self._known: dict[tuple[int, int, Callable[..., Any]], tuple[Call, Iterator[int]]] = {}
        self._times: dict[tuple[str, str, int, str], Iterator[int]] = defaultdict(itertools.count)

    def leave(self) -> bool:
        """See no more operations, and cost nothing; whether it has come to that.

        It has to wait while a call that it handles is under way, or a mode is active that was entered later.
        """
        self.is_paused = True
        if not self.has_left and _get_current_function_mode_stack()[-1:] == [self]:
            self.has_left = True
            self.__exit__(None, None, None)
        return self.has_left

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or NOTHING
        if self.is_paused or self.is_aside:
            return func(*args, **kwargs)
        trace = self.trace
        if self.limit is not None and len(trace.ops) > self.limit:
            self.limit = None
            self.when_reached()
        frame, via = _calling_frame(sys._getframe(1))
        code, offset = (frame.f_code, frame.f_lasti) if frame is not None else (None, 0)
        call, times = self._known.get((id(code), offset, func)) or self._learn(func, code, offset)
        via = None if via == call.name else via  # a method that torch writes in Python calls itself
        if call.is_read and via is not None:
            return func(*args, **kwargs)
        key = OpKey(*call.place, next(times))
        replacement = None
        if self.interventions or self.placed:
            edit, replacement = chosen(self.interventions, key), self.placed.get(key)
            if edit is not None and replacement is None:
                return self._replaced(edit, key, call.site, (func, args, kwargs))
        inputs = trace.values_of((*args, *kwargs.values()) if kwargs else args)
        grad_enabled = torch.is_grad_enabled()
        out = replacement(func, args, kwargs) if replacement else func(*args, **kwargs)
        if call.is_read and inputs:
            trace.reads.append(Read(call.name, inputs[0], call.site, len(trace.ops)))
        is_new = type(out) is torch.Tensor and not call.writes and "out" not in kwargs
        outputs = (trace.write(out),) if is_new else self._written(call, args, kwargs, out)
        if replacement:
            self._write_through(call.name, args, out)
        if outputs:
            done = Op(func, call.name, args, kwargs, tuple(inputs), outputs, key, call.site, via, grad_enabled)
            trace.ops.append(done)
        return out

    def _replaced(
        self,
        edit: Intervention,
        key: OpKey,
        site: Site | None,
        call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]],
    ) -> Any:
        """What the intervention returns; the operation that made it is recorded as the call that it replaces."""
        before = len(self.trace.ops)
        with self:
            out = edit(*call)
        made = self.trace.ops[before:][-1:]
        if made and isinstance(out, torch.Tensor) and self.trace.find(out) in made[0].outputs:
            self.trace.ops[-1] = replace(made[0], key=key, site=site)
        self._write_through(name_of(call[0]), call[1], out)
        return out

    def _write_through(self, name: str, args: tuple[Any, ...], out: Any) -> None:
        """A replaced method that works in place shows its tensor what replaced it: `x.sub_(m)` is often a statement."""
        target = args[0] if args else None
        if not name.endswith("_") or not is_in_place(name) or not isinstance(target, torch.Tensor):
            return
        is_other = isinstance(out, torch.Tensor) and out is not target and out.shape == target.shape
        if is_other and not (target.requires_grad and target.is_leaf):
            self.trace.current[id(target)] = self.trace.value_of(out)
            with torch._C.DisableTorchFunction():
                target.copy_(out)

    def _learn(self, func: Callable[..., Any], code: CodeType | None, offset: int) -> tuple[Call, Iterator[int]]:
        """What is known of a call of `func` at a place in the code, and the count of such calls."""
        call = _call_of(func, code, offset)
        self._known[id(code), offset, func] = known = call, self._times[call.place]
        return known

    def _written(self, call: Call, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> tuple[int, ...]:
        if HOLDS[type(out)] == NO_TENSOR and not call.writes:
            return ()
        mutated = args[:1] if call.writes else ()
        targets = [t for t in (*mutated, kwargs.get("out")) if isinstance(t, torch.Tensor)]
        index = args[1] if call.name == "__setitem__" else None
        shared = [target for target in targets if not is_alone(target)]
        touched = [alias for target in shared for alias in self.trace.aliases(target, row_of(target, index))]
        unique = {id(tensor): tensor for tensor in (*_tensors(out), *targets, *touched)}
        return tuple(self.trace.write(tensor) for tensor in unique.values())


def _is_at(tensor: torch.Tensor, written: Region) -> bool:
    """Whether a tensor still lies in that storage: it may have been given another one."""
    region = region_of(tensor)
    return region is not None and region[0] == written[0]


def name_of(func: Callable[..., Any]) -> str:
    """The plain name of a torch function; of a property getter, the property's name."""
    name = getattr(func, "__name__", type(func).__name__)
    return func.__self__.__name__ if name == "__get__" else name  # type: ignore[attr-defined]


def is_in_place(name: str) -> bool:
    if name in IN_PLACE_EXCEPTIONS:
        return False
    is_augmented = name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
    return is_augmented or name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


NO_TENSOR, A_TENSOR, ITEMS, ANYTHING = range(4)
"""What a thing of some type holds. Plain numbers, since the names of an enumeration are slow to look up."""


class _Kinds(dict[type, int]):
    """What things hold, by their type."""

    def __missing__(self, kind: type) -> int:
        self[kind] = found = A_TENSOR if issubclass(kind, torch.Tensor) else ANYTHING
        return found


WITHOUT_TENSORS = (int, float, bool, str, type(None), type(...), torch.Size, torch.dtype, torch.device, numpy.ndarray)
HOLDS = _Kinds({tuple: ITEMS, list: ITEMS} | dict.fromkeys(WITHOUT_TENSORS, NO_TENSOR))


def _tensors(thing: Any) -> list[torch.Tensor]:
    """The tensors among what a call returned."""
    return [leaf for leaf in tree_leaves(thing) if isinstance(leaf, torch.Tensor)]


def _calling_frame(frame: FrameType | None) -> tuple[FrameType | None, str | None]:
    """The innermost frame outside torch, and the outermost torch function between it and the operation."""
    via = None
    while frame is not None and IS_INNER[frame.f_code.co_filename]:
        via = frame.f_code.co_name
        frame = frame.f_back
    return frame, via


class _Files(dict[str, bool]):
    """Whether a file is one of torch or of the recorder, by its name."""

    def __missing__(self, file: str) -> bool:
        self[file] = found = file.startswith((*TORCH_FOLDERS, OWN_FOLDER))
        return found


IS_INNER = _Files()


@dataclass(frozen=True, slots=True)
class Call:
    """One function called at one place, with all that is read off it once."""

    place: tuple[str, str, int, str]
    site: Site | None
    name: str
    is_read: bool
    writes: bool
    code: CodeType | None
    """Held, so that its identity stays unique: equal code may be of two files."""


MOST_CALLS = 8192
_CALLS: dict[tuple[int, int, Callable[..., Any]], Call] = {}


def _call_of(func: Callable[..., Any], code: CodeType | None, offset: int) -> Call:
    """What is known of a call of `func` at a place in the code."""
    call = _CALLS.get((id(code), offset, func))
    if call is None:
        if len(_CALLS) >= MOST_CALLS:
            _CALLS.clear()
        name = name_of(func)
        file, function = (code.co_filename, code.co_qualname) if code is not None else ("", "")
        site = site_of(code, offset) if code is not None else None
        call = Call((file, function, offset, name), site, name, name in READS, is_in_place(name), code)
        _CALLS[id(code), offset, func] = call
    return call


def site_of(code: CodeType, offset: int) -> Site:
    """Where a call stands in the source."""
    return _site(code.co_filename, code, offset)


@functools.lru_cache(maxsize=4096)
def _site(file: str, code: CodeType, offset: int) -> Site:
    # The file is part of the key, since code of two files is equal where the text is.
    line, end_line, column, end_column = list(code.co_positions())[offset // 2]
    first = line or code.co_firstlineno
    return Site(file, first, end_line or first, column or 0, end_column or 0, code.co_qualname)
