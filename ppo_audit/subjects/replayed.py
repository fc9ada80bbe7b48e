"""A replayed subject: the recorded operations between the boundary and the loss, run again on any inputs."""

from __future__ import annotations

import bisect
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from ppo_audit.errors import NotApplicable, UsageError
from ppo_audit.locate.source import display
from ppo_audit.recording.graph import backward_slice, is_parameter, parameters_of, plain, producers
from ppo_audit.recording.session import Capture
from ppo_audit.recording.trace import SHAPE_READS, Intervention, Op, OpKey, Read, Trace, chosen, is_in_place
from ppo_audit.subjects.batch import Layout, clone
from ppo_audit.subjects.evidence import Boundary
from ppo_audit.subjects.run import DIFFERENTIABLE, Cuts, Interventions, Run, as_given, put, ready
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.resolve import describe

RANDOM = frozenset("rand randn randint randperm normal bernoulli dropout multinomial rand_like randn_like".split())
ULPS = 16


@dataclass(frozen=True)
class Program:
    """What is replayed: operations downstream of the boundary, the recorded constants they read, and the total."""

    ops: tuple[Op, ...] = field(repr=False)
    boundary: Boundary
    trace: Trace = field(repr=False)
    total: int
    loss: torch.Tensor
    constants: Mapping[int, torch.Tensor] = field(repr=False)
    """What the program reads and does not make, copied: the trainer may write over it before the replay."""
    is_climbed: bool = False
    """An objective, whose negative is replayed as the loss."""
    is_at_old_policy: bool = False
    """Whether its gradient was taken by hand and at ratio 1, as a natural gradient is, however far the step goes."""
    mask_keeps: bool = True
    """Whether 1 in the mask, where there is one, keeps an entry."""

    @functools.cached_property
    def earlier(self) -> dict[int, int]:
        """For every value that a write in place made, the number that the same tensor had before."""
        return _earlier(self.trace)

    @functools.cached_property
    def places(self) -> tuple[int, ...]:
        """Where its operations stand in the recording."""
        own = {id(op) for op in self.ops}
        return tuple(index for index, op in enumerate(self.trace.ops) if id(op) in own)

    def recorded(self) -> dict[str, torch.Tensor]:
        """The values that the roles had in the recording."""
        return {role: self.constants[numbers[0]] for role, numbers in self.boundary.numbers.items()}


def program_of(capture: Capture, boundary: Boundary) -> Program:
    """The slice from the boundary to the loss; raises UsageError naming an operation that cannot be followed."""
    total = capture.trace.value_of(capture.loss)
    starts = [number for numbers in boundary.numbers.values() for number in numbers]
    reached, ops = set(starts), []
    wanted, before = _with_written(capture.trace, total, starts)
    for op in wanted:
        if reached.intersection(op.inputs) or before.intersection(op.outputs):
            reached.update(op.outputs)
            ops.append(op)
    for op in ops:
        if plain(op.name) in RANDOM:
            raise UsageError(
                f"the recorded loss draws random numbers ({op.name} at {_where(op)}); it cannot be replayed."
            )
    _expect_known_views(capture.trace, ops, total)
    return Program(tuple(ops), boundary, capture.trace, total, capture.loss, _constants(capture.trace, ops, starts))


def _constants(trace: Trace, ops: Sequence[Op], starts: Sequence[int]) -> dict[int, torch.Tensor]:
    made = {number for op in ops for number in op.outputs}
    read = dict.fromkeys([*starts, *(number for op in ops for number in op.inputs if number not in made)])
    return {number: trace.tensors[number].detach().clone() for number in read}


def _expect_known_views(trace: Trace, ops: Sequence[Op], total: int) -> None:
    """A view that is older than the recording shares its memory with nothing in the replay: decline what reads it."""
    made = {number for op in ops for number in op.outputs}
    read = {total}.union(*(op.inputs for op in ops))
    earlier = _earlier(trace)
    for op in ops:
        given = {id(trace.tensors[number]) for number in op.inputs}
        for number in read.intersection(op.outputs):
            if number in earlier and earlier[number] not in made and id(trace.tensors[number]) not in given:
                raise UsageError(
                    f"`{op.name}` at {_where(op)} writes into memory that the loss reads through a view made before "
                    f"the recording began; it cannot be replayed."
                )


def _with_written(trace: Trace, total: int, starts: Sequence[int]) -> tuple[list[Op], set[int]]:
    """The slice of the loss, with what tensors written in place, and other views of them, were before the write.

    The second result are the values that must be made anew: a recorded constant already holds what was written later.
    """
    earlier = _earlier(trace)
    ends: set[int] = set()
    while True:
        ops = backward_slice(trace, [total, *ends], stop=starts)
        live = set(starts)
        for op in ops:
            live.update(op.outputs if live.intersection(op.inputs) else ())
        found = {earlier[n] for op in ops for n in op.outputs if n in earlier and n in live}
        if found <= ends:
            whole = backward_slice(trace, ends, stop=starts)
            return ops, {number for op in whole for number in op.outputs}
        ends |= found


def _earlier(trace: Trace) -> dict[int, int]:
    """For every value that a write in place made, the number that the same tensor had before."""
    last, found = dict[int, int](), dict[int, int]()
    for number, tensor in enumerate(trace.tensors):
        if id(tensor) in last:
            found[number] = last[id(tensor)]
        last[id(tensor)] = number
    return found


def _where(op: Op) -> str:
    return f"{display(op.site.file)}:{op.site.line}" if op.site else "an unknown place"


def replay(
    program: Program,
    batch: Mapping[str, torch.Tensor | float],
    dtype: torch.dtype,
    cuts: Cuts,
    interventions: Interventions,
) -> Run:
    """Run the program with the batch in place of the boundary; roles the batch lacks keep their recorded values."""
    leaves = clone({**program.recorded(), **batch}, dtype, DIFFERENTIABLE)
    placed = {key: put(leaf) for role, key in cuts.items() if isinstance(leaf := leaves.get(role), torch.Tensor)}
    given = {role: as_given(leaf) for role, leaf in leaves.items()}
    trace, values = Trace(), dict[int, torch.Tensor]()
    for role, numbers in program.boundary.numbers.items():
        values |= dict.fromkeys(numbers, given[role])  # type: ignore[arg-type]
    roles = {role: trace.value_of(given[role]) for role in program.boundary.numbers}  # type: ignore[arg-type]
    replaced = {**ready(interventions, given), **placed}
    for op in program.ops:
        _perform(op, program, values, trace, replaced, dtype)
    trace.reads.extend(_reads(program, values, trace))
    made = {op.key: op.outputs[0] for op in trace.ops}
    roles |= {role: made[key] for role, key in cuts.items() if role in leaves and key in made}
    tensors = {role: leaf for role, leaf in leaves.items() if isinstance(leaf, torch.Tensor)}
    loss = _negated(program, values[program.total], trace) if program.is_climbed else values[program.total]
    return Run(loss, trace.value_of(loss), {"loss": loss}, trace, tensors, roles, {}, given)


def handed_out(program: Program) -> Program:
    """A program whose gradient went to the caller, read for what he does with it."""
    recorded = program.recorded()
    pair = [recorded[role] for role in ("log_prob", "old_log_prob") if role in recorded]
    return replace(_climbed(program), is_at_old_policy=len(pair) == 2 and torch.equal(*pair))


def _climbed(program: Program) -> Program:
    """The program as a loss, where its gradient was handed out and makes what has an advantage more likely.

    Whoever takes the gradient himself gives it the sign that he likes; at ratio 1 nothing else tells which he means.
    """
    if not {"log_prob", "old_log_prob", "advantage"} <= program.boundary.numbers.keys():
        return program
    run = replay(program, {"log_prob": program.recorded()["old_log_prob"]}, torch.float64, {}, {})
    (slope,) = torch.autograd.grad(run.loss, [run.leaves["log_prob"]])
    rise = (slope.reshape(len(slope), -1).sum(1) * run.leaves["advantage"].detach().reshape(len(slope), -1)[:, 0]).sum()
    if not rise > 0:
        return program
    reasons = dict(program.boundary.reasons)
    reasons["log_prob"] += "; its gradient, taken by `autograd.grad`, is read as one that is climbed"
    boundary = replace(program.boundary, reasons=reasons)
    return replace(program, loss=-program.loss.detach(), boundary=boundary, is_climbed=True)


def _negated(program: Program, objective: torch.Tensor, trace: Trace) -> torch.Tensor:
    """The loss of an objective, as one more operation of the recording."""
    loss = -objective
    site = next((op.site for op in program.ops if program.total in op.outputs), None)
    key = OpKey("", _negated.__name__, 0, "neg", 0)
    inputs = (trace.value_of(objective),)
    trace.ops.append(Op(torch.neg, "neg", (objective,), {}, inputs, (trace.write(loss),), key, site, None, True))
    return loss


def _perform(
    op: Op,
    program: Program,
    values: dict[int, torch.Tensor],
    trace: Trace,
    interventions: Mapping[OpKey, Intervention],
    dtype: torch.dtype,
) -> None:
    """One operation on the replayed values; what the program does not make is a constant of the recording."""
    flat, spec = tree_flatten((op.args, op.kwargs))
    numbers = iter(op.inputs)
    fresh = [_value(next(numbers), program, values, dtype) if isinstance(leaf, torch.Tensor) else leaf for leaf in flat]
    args, kwargs = tree_unflatten(fresh, spec)
    inputs = tuple(trace.value_of(leaf) for leaf in fresh if isinstance(leaf, torch.Tensor))
    replacement = chosen(interventions, op.key)
    with torch.set_grad_enabled(op.grad_enabled):
        out = replacement(op.func, args, kwargs) if replacement else _again(op, args, kwargs)
    tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
    written = tensors or ([args[0]] if is_in_place(op.name) else [])
    written = [tensor.to(dtype) if not inputs and tensor.is_floating_point() else tensor for tensor in written]
    written = list({id(tensor): tensor for tensor in written}.values())
    values.update(zip(op.outputs, written, strict=False))
    views = [number for number in op.outputs[len(written) :] if program.earlier.get(number) in values]
    values.update((number, values[program.earlier[number]]) for number in views)
    written += [values[number] for number in views]
    outputs = tuple(trace.write(tensor) for tensor in written)
    trace.ops.append(Op(op.func, op.name, args, kwargs, inputs, outputs, op.key, op.site, op.via, op.grad_enabled))


def _again(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The recorded call on other inputs; what it refuses is no case for it, and no fault of a rule."""
    try:
        return op.func(*args, **kwargs)
    except Exception as error:
        where = f"`{op.name}` at {_where(op)}"
        raise NotApplicable(f"{where} of the recording does not run on these inputs: {describe(error)}") from error


def _value(number: int, program: Program, values: dict[int, torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    if number not in values:
        constant = program.constants[number].clone()  # a write in place must not reach the recording
        values[number] = constant.to(dtype) if constant.is_floating_point() else constant
    return values[number]


def _reads(program: Program, values: Mapping[int, torch.Tensor], trace: Trace) -> list[Read]:
    reads = [(read, values[read.value]) for read in program.trace.reads if read.value in values]
    return [
        read._replace(value=trace.value_of(tensor), at=bisect.bisect_left(program.places, read.at))
        for read, tensor in reads
        if trace.find(tensor) is not None
    ]


def verify(program: Program) -> None:
    """The replay on the recorded inputs must give the recorded loss bit for bit and its gradients to a few ulp."""
    run = _as_recorded(program)
    if not torch.equal(run.loss.detach(), program.loss.detach()):
        raise UsageError(
            f"the replay does not reproduce the recorded loss ({run.loss.item():.9g} against "
            f"{program.loss.item():.9g}); the target is declined rather than audited wrongly."
        )
    live = [role for role in program.boundary.numbers if run.leaves[role].requires_grad]
    recorded = [program.trace.tensors[program.boundary.numbers[role][0]] for role in live]
    live = [role for role, tensor in zip(live, recorded, strict=True) if tensor.requires_grad]
    recorded = [tensor for tensor in recorded if tensor.requires_grad]
    replayed = torch.autograd.grad(run.loss, [run.leaves[role] for role in live], allow_unused=True)
    _compare_parameters(program, recorded, replayed)


def _as_recorded(program: Program) -> Run:
    try:
        return replay(program, {}, program.loss.dtype, {}, {})
    except UsageError:
        raise
    except NotApplicable as refusal:
        raise UsageError(f"{refusal}.") from refusal
    except Exception as error:
        raise UsageError(f"the recorded loss cannot be replayed: {describe(error)}.") from error


def _compare_parameters(
    program: Program, recorded: Sequence[torch.Tensor], replayed: Sequence[torch.Tensor | None]
) -> None:
    """Gradients of every parameter, by the recorded backward and by the replay's gradients at the boundary."""
    parameters = parameters_of(program.loss)
    want = torch.autograd.grad(program.loss, parameters, retain_graph=True, allow_unused=True)
    pairs = [(tensor, grad) for tensor, grad in zip(recorded, replayed, strict=True) if grad is not None]
    got = torch.autograd.grad(
        [tensor for tensor, _ in pairs],
        parameters,
        [grad.reshape(tensor.shape).to(tensor.dtype) for tensor, grad in pairs],
        retain_graph=True,
        allow_unused=True,
    )
    for parameter, expected, found in zip(parameters, want, got, strict=True):
        if not _agree(parameter, expected, found):
            raise UsageError(
                f"the replay does not reproduce the recorded gradient of a parameter of shape "
                f"{tuple(parameter.shape)}: the loss reaches it on a path that was not followed{_loose_end(program)}. "
                f"The target is declined rather than audited wrongly."
            )


def _loose_end(program: Program) -> str:
    """The first live value that the replay takes as a constant: where the path that was not followed joins."""
    followed = {number for op in program.ops for number in op.outputs}
    followed.update(number for numbers in program.boundary.numbers.values() for number in numbers)
    makers = producers(program.trace)
    for op in program.trace.ops:
        tensors = [program.trace.tensors[number] for number in op.inputs if number not in makers]
        if any(not is_parameter(tensor) and tensor.requires_grad for tensor in tensors):
            return f": `{op.name}` at {_where(op)} reads what was not recorded, as inside `vmap`"
    for op in program.ops:
        for number in op.inputs:
            if number not in followed and number in makers and program.trace.tensors[number].requires_grad:
                return f": `{makers[number].name}` at {_where(makers[number])}"
    return ""


def _agree(parameter: torch.Tensor, expected: torch.Tensor | None, found: torch.Tensor | None) -> bool:
    want = torch.zeros_like(parameter) if expected is None else expected
    got = torch.zeros_like(parameter) if found is None else found
    bound = ULPS * torch.finfo(parameter.dtype).eps * (want.abs().max() + 1e-30)
    return bool(((want - got).abs() <= bound).all())


def replayed_subject(target: str, program: Program, seed: int = 0) -> Subject:
    """The program as a subject; its number of rows is that of the recording unless rows are seen to be free."""
    rows = program.recorded()[_leading(program)]
    is_free = sizes_are_free(program, 0)
    layout = _layout(program)
    if is_free and len(layout.tail) == 1 and layout.tail != (1,) and sizes_are_free(program, 1):
        layout = replace(layout, name="tokens, as recorded").single()
    return Subject(
        target,
        "trainer",
        functools.partial(replay, program),
        dict(program.boundary.reasons),
        frozenset(program.boundary.numbers),
        layout,
        origins=_origins(program),
        capacity=None if is_free else len(rows),
        is_at_old_policy=program.is_at_old_policy,
        seed=seed,
    )


def _leading(program: Program) -> str:
    """The role whose shape is that of a row: the log-prob, in a critic's own loss the target."""
    return "log_prob" if "log_prob" in program.boundary.numbers else "return_"


def _origins(program: Program) -> dict[str, Op]:
    """The operation that made each role in the recording, for what went wrong before the boundary."""
    made = producers(program.trace)
    return {role: made[numbers[0]] for role, numbers in program.boundary.numbers.items() if numbers[0] in made}


def sizes_are_free(program: Program, dim: int) -> bool:
    """Whether other rows, or tokens, can be replayed: nobody counted them, and twice as many are a mean or a sum."""
    if _reads_a_size(program):
        return False
    tail = program.recorded()[_leading(program)].shape[1:]
    more = lambda value: torch.cat([value, value], dim) if dim == 0 or value.shape[1:] == tail else value
    doubled = {role: more(value) for role, value in program.recorded().items()}
    try:
        twice = replay(program, doubled, torch.float64, {}, {}).loss.detach()
    except (RuntimeError, NotApplicable):  # a recorded size stands in the way
        return False
    once = replay(program, {}, torch.float64, {}, {}).loss.detach()
    return any(torch.allclose(twice, factor * once, rtol=1e-2, atol=1e-9) for factor in (1, 2))


def _reads_a_size(program: Program) -> bool:
    """Whether the target read a size of what the loss is made of, before the last place where it could enter."""
    inside = {number for op in program.ops for number in (*op.inputs, *op.outputs)}
    known = {id(op) for op in program.ops}
    places = (index for index, op in enumerate(program.trace.ops) if id(op) in known and _may_hold_a_size(op, program))
    last = max(places, default=-1)
    reads = (read for read in program.trace.reads if read.name in SHAPE_READS)
    return any(read.value in inside and read.at <= last for read in reads)


def _may_hold_a_size(op: Op, program: Program) -> bool:
    """Whether a size may have steered or scaled the operation: not once the loss is one number, scaled by no other."""
    numbers = [leaf for leaf in tree_leaves((op.args, op.kwargs)) if isinstance(leaf, int | float)]
    is_one_number = all(program.trace.tensors[number].numel() == 1 for number in (*op.inputs, *op.outputs))
    return not is_one_number or any(number != 1 for number in numbers)


def _layout(program: Program) -> Layout:
    recorded = program.recorded()
    shapes = {role: tuple(tensor.shape) for role, tensor in recorded.items() if isinstance(tensor, torch.Tensor)}
    tail = shapes[_leading(program)][1:]
    tails = {role: shape[1:] for role, shape in shapes.items() if shape[1:] != tail}
    layout = Layout("recorded", tail, tails, mask_keeps=program.mask_keeps)
    return replace(layout, mask_dtype=recorded["mask"].dtype) if "mask" in recorded else layout
