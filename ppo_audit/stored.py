"""A recorded run as a file: tensors as safetensors, all else as JSON in its header, and nothing that is unpickled.

What is kept is what an audit needs: the operations of each loss with their source lines, what they read, what the
roles held, and the events of the loop. A loss that calls code which no file can hold, such as a custom
`autograd.Function`, is declined when it is to be written. Read again, a loss must give the recorded one bit for bit.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.overrides import resolve_name

from ppo_audit.errors import UsageError
from ppo_audit.recording.loop import Clipped, Event, Loop, Minibatch, Passed, Stepped, Trainer
from ppo_audit.recording.trace import Op, OpKey, Read, Site, Trace
from ppo_audit.recording.watched import Watched
from ppo_audit.subjects.evidence import Boundary
from ppo_audit.subjects.replayed import Program, replay
from ppo_audit.targets.helper_names import rollout_role

FORMAT = "ppo-audit-recording/2"
SUFFIX = ".ppoaudit"
KINDS: tuple[type[Event], ...] = (Passed, Stepped, Clipped)
Json = Any


@dataclass(frozen=True)
class LiftedRun:
    """The losses of a run by place, the one with the ratio first, why others are not judged, and its loop."""

    name: str
    programs: tuple[tuple[str, Program], ...]
    reasons: tuple[str, ...]
    loop: Loop


class Tensors:
    """The tensors of a file by key; equal objects are stored once."""

    def __init__(self) -> None:
        self.kept: dict[str, torch.Tensor] = {}
        self._keys: dict[int, str] = {}

    def key(self, tensor: torch.Tensor) -> str:
        if id(tensor) not in self._keys:
            self._keys[id(tensor)] = f"t{len(self.kept)}"
            self.kept[self._keys[id(tensor)]] = tensor
        return self._keys[id(tensor)]


def save(path: Path, run: LiftedRun) -> None:
    """Write a run; raises UsageError where one of its losses cannot be written."""
    tensors = Tensors()
    document = {
        "format": FORMAT,
        "name": run.name,
        "programs": [[place, _program(program, tensors)] for place, program in run.programs],
        "reasons": run.reasons,
        "loop": _loop(run.loop, tensors),
    }
    content = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.kept.items()}
    save_file(content, path, {"ppo-audit": json.dumps(document)})


def load(path: Path) -> LiftedRun:
    """A stored run; raises UsageError where the file is no such thing."""
    try:
        with safe_open(path, framework="pt") as file:
            document = json.loads((file.metadata() or {}).get("ppo-audit", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118, it is no mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"`{path}` is no recording of `ppo-audit record` ({error}).") from error
    if document.get("format") != FORMAT:
        raise UsageError(f"`{path}` is no recording of this version: expected the format `{FORMAT}`. Record it again.")
    programs = tuple((place, _read_program(item, tensors)) for place, item in document["programs"])
    for place, program in programs:
        _expect_exact(path, place, program)
    loop = _read_loop(document["loop"], tensors)
    return LiftedRun(document["name"], programs, tuple(document["reasons"]), loop)


def _expect_exact(path: Path, place: str, program: Program) -> None:
    if not torch.equal(replay(program, {}, program.loss.dtype, {}, {}).loss.detach(), program.loss):
        raise UsageError(
            f"`{path}`: the loss of {place} is not reproduced bit for bit by this version of torch "
            f"({torch.__version__}); audit it where it was recorded, or record it again."
        )


def _program(program: Program, tensors: Tensors) -> Json:
    starts = [number for numbers in program.boundary.numbers.values() for number in numbers]
    makers = {number: op for op in program.trace.ops for number in op.outputs}
    origins = [makers[number] for number in starts if number in makers]
    wanted, own = {id(op) for op in (*program.ops, *origins)}, {id(op) for op in program.ops}
    places = [index for index, op in enumerate(program.trace.ops) if id(op) in wanted]
    ops = [program.trace.ops[index] for index in places]
    used = {program.total, *starts, *(number for op in ops for number in (*op.inputs, *op.outputs))}
    used |= {program.earlier[number] for number in used if number in program.earlier}
    given = {number for op in origins for number in op.inputs}
    return {
        "ops": [_op(op) for op in ops],
        "own": [index for index, op in enumerate(ops) if id(op) in own],
        "roles": program.boundary.numbers,
        "reasons": program.boundary.reasons,
        "total": program.total,
        "loss": tensors.key(program.loss),
        "constants": {str(number): tensors.key(tensor) for number, tensor in program.constants.items()},
        "tensors": {str(number): _shape(program.trace.tensors[number]) for number in sorted(used)},
        "given": {str(number): tensors.key(program.trace.tensors[number].detach()) for number in given},
        "reads": [
            read._replace(at=bisect.bisect_left(places, read.at)) for read in program.trace.reads if read.value in used
        ],
        "flags": [program.is_climbed, program.is_at_old_policy, program.mask_keeps],
    }


def _read_program(item: Json, tensors: Mapping[str, torch.Tensor]) -> Program:
    given = {int(number): tensors[key] for number, key in item["given"].items()}
    by_identity: dict[int, torch.Tensor] = {}
    known = {int(number): _placeholder(facts, by_identity) for number, facts in item["tensors"].items()} | given
    trace = Trace(tensors=[known.get(number, torch.empty(0)) for number in range(max(known) + 1)])
    ops = [_read_op(facts, known) for facts in item["ops"]]
    trace.ops.extend(ops)
    trace.reads.extend(Read(name, value, _site(site), at) for name, value, site, at in item["reads"])
    boundary = Boundary({role: tuple(numbers) for role, numbers in item["roles"].items()}, item["reasons"])
    constants = {int(number): tensors[key] for number, key in item["constants"].items()}
    loss = tensors[item["loss"]]
    own = tuple(ops[index] for index in item["own"])
    return Program(own, boundary, trace, item["total"], loss, constants, *item["flags"])


def _shape(tensor: torch.Tensor) -> Json:
    return [id(tensor), list(tensor.shape), str(tensor.dtype), tensor.requires_grad]


def _placeholder(facts: Json, by_identity: dict[int, torch.Tensor]) -> torch.Tensor:
    """A tensor without content, the same one wherever it was the same one in the run."""
    identity, shape, dtype, requires_grad = facts
    made = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device="meta")
    return by_identity.setdefault(identity, made.requires_grad_(requires_grad))


def _op(op: Op) -> Json:
    numbers = iter(op.inputs)
    return {
        "call": _name(op),
        "name": op.name,
        "args": _encoded(op.args, numbers, op),
        "kwargs": _encoded(op.kwargs, numbers, op),
        "inputs": op.inputs,
        "outputs": op.outputs,
        "key": op.key,
        "site": op.site,
        "via": op.via,
        "grad": op.grad_enabled,
    }


def _read_op(facts: Json, known: Mapping[int, torch.Tensor]) -> Op:
    args, kwargs = _decoded(facts["args"], known), _decoded(facts["kwargs"], known)
    inputs, outputs = tuple(facts["inputs"]), tuple(facts["outputs"])
    key, site = OpKey(*facts["key"]), _site(facts["site"])
    call = _called(facts["call"])
    return Op(call, facts["name"], args, kwargs, inputs, outputs, key, site, facts["via"], facts["grad"])


def _name(op: Op) -> str:
    """The name under which torch has the operation; raises UsageError where it has none."""
    name = resolve_name(op.func)
    if name is not None and _called(name) == op.func:
        return str(name)
    where = f"{op.site.file}:{op.site.line}" if op.site else "an unknown place"
    raise UsageError(
        f"`{op.name}` at {where} is no operation of torch, so that no file can hold it; audit it directly."
    )


def _called(name: str) -> Callable[..., Any]:
    found: Any = torch
    for part in name.removeprefix("torch.").split("."):
        found = getattr(found, part)
    function: Callable[..., Any] = found
    return function


def _encoded(value: Any, numbers: Any, op: Op) -> Json:
    """An argument as JSON; what is none of its types is a mapping with one key."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return {"tensor": next(numbers)}
    if isinstance(value, dict):
        return {"dict": [[key, _encoded(item, numbers, op)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        return {"list" if type(value) is list else "tuple": [_encoded(item, numbers, op) for item in value]}
    if isinstance(value, slice):
        return {"slice": [_encoded(item, numbers, op) for item in (value.start, value.stop, value.step)]}
    if isinstance(value, torch.dtype | torch.device | torch.memory_format | torch.layout):
        return {type(value).__name__: str(value)}
    if isinstance(value, numpy.ndarray | numpy.generic):
        return {"array": [str(value.dtype), value.tolist()]}
    if value is Ellipsis:
        return {"ellipsis": None}
    raise UsageError(f"`{op.name}` takes a `{type(value).__name__}`, which no recording can hold; audit it directly.")


def _decoded(value: Json, known: Mapping[int, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    items = lambda: [_decoded(item, known) for item in inner]
    readers: dict[str, Callable[[], Any]] = {
        "tensor": lambda: known[inner],
        "dict": lambda: {key: _decoded(item, known) for key, item in inner},
        "tuple": lambda: tuple(items()),
        "list": items,
        "slice": lambda: slice(*items()),
        "device": lambda: torch.device(inner),
        "array": lambda: numpy.array(inner[1], dtype=inner[0]),
        "ellipsis": lambda: ...,
    }
    return readers.get(kind, lambda: getattr(torch, inner.removeprefix("torch.")))()


def _site(facts: Json) -> Site | None:
    return None if facts is None else Site(*facts)


def _loop(loop: Loop, tensors: Tensors) -> Json:
    losses: dict[Any, int] = {}
    number = lambda loss: losses.setdefault(loss, len(losses))
    arrays = {name: array for name, array in loop.arrays.items() if rollout_role(name.rpartition(".")[2])}
    return {
        "events": [_event(event, number) for event in loop.events],
        "minibatches": [_minibatch(each, number, tensors) for each in loop.minibatches],
        "trainers": [[each.number, each.kind, sorted(each.parameters), each.place] for each in loop.trainers],
        "names": {str(key): name for key, name in loop.names.items()},
        "unmoved": sorted(loop.unmoved),
        "arrays": {name: tensors.key(array) for name, array in arrays.items()},
        "flags": [loop.is_noisy, loop.is_half, loop.is_whole],
    }


def _event(event: Event, number: Callable[[Any], int]) -> Json:
    kind = KINDS.index(type(event))
    if isinstance(event, Passed):
        return [kind, event.place, number(event.loss), sorted(event.reached)]
    if isinstance(event, Stepped):
        return [kind, event.place, event.optimizer, event.gradients]
    return [kind, event.place, sorted(event.parameters)]


def _minibatch(each: Minibatch, number: Callable[[Any], int], tensors: Tensors) -> Json:
    return {
        "loss": number(each.loss),
        "moment": each.moment,
        "samples": [sample.hex() for sample in each.samples],
        "roles": {role: tensors.key(tensor) for role, tensor in each.roles.items()},
        "reached": {role: sorted(parameters) for role, parameters in each.reached.items()},
        "watched": [[scalar.name, scalar.value, scalar.place] for scalar in each.watched],
    }


def _read_loop(item: Json, tensors: Mapping[str, torch.Tensor]) -> Loop:
    noisy, half, whole = item["flags"]
    trainers = (Trainer(number, kind, frozenset(held), _site(place)) for number, kind, held, place in item["trainers"])
    return Loop(
        tuple(_read_event(event) for event in item["events"]),
        tuple(_read_minibatch(each, tensors) for each in item["minibatches"]),
        tuple(trainers),
        {int(key): name for key, name in item["names"].items()},
        frozenset(item["unmoved"]),
        {name: tensors[key] for name, key in item["arrays"].items()},
        is_noisy=noisy,
        is_half=half,
        is_whole=whole,
    )


def _read_event(event: Json) -> Event:
    kind, place, *rest = event
    found = [frozenset(value) if isinstance(value, list) else value for value in rest]
    event_of: Event = KINDS[kind](_site(place), *found)
    return event_of


def _read_minibatch(item: Json, tensors: Mapping[str, torch.Tensor]) -> Minibatch:
    return Minibatch(
        item["loss"],
        item["moment"],
        tuple(bytes.fromhex(sample) for sample in item["samples"]),
        {role: tensors[key] for role, key in item["roles"].items()},
        {role: frozenset(parameters) for role, parameters in item["reached"].items()},
        tuple(Watched(name, value, Site(*place)) for name, value, place in item.get("watched", ())),
    )
