"""The roles of recorded tensors: where to cut a trainer's loss, from structure, landmarks and data.

The pair under `exp` is the new and the old log-prob, and the live one of them is new; without a ratio it is the result
of a distribution's `log_prob` that data multiplies. What multiplies the ratio is the advantage. What a live prediction
is compared with is its target, or, inside a clamp, its old value. `Distribution.entropy` and `kl_divergence` mark
entropy and KL; written out by hand they are known by what they equal. Tensors with the same content play the same role:
`b_returns[mb_inds]` may be written twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ppo_audit.errors import UsageError
from ppo_audit.recording.graph import (
    NONE,
    Roles,
    backward_slice,
    bottlenecks,
    dependencies,
    operands,
    parameters_in,
    plain,
    producers,
)
from ppo_audit.recording.session import Capture
from ppo_audit.recording.trace import Op, Trace, Whole, is_in_place
from ppo_audit.subjects.boundary import log_ratios
from ppo_audit.subjects.functionals import (
    LOG_PROB,
    OTHER,
    Policy,
    divergence,
    entropies,
    functional,
    origins,
    policy_of,
)
from ppo_audit.subjects.masks import find_mask
from ppo_audit.targets.names import role_of

SHAPES = frozenset("view reshape flatten squeeze unsqueeze view_as reshape_as".split())
ELEMENTWISE = SHAPES | frozenset(
    "sub add div mul neg truediv to float double detach clamp rsub radd rmul expand".split()
)
MOVES = SHAPES | frozenset("getitem index_select select narrow detach clone contiguous to float double cpu".split())
"""Operations that bring the same numbers from elsewhere."""
COMPARISONS = frozenset("sub rsub subtract mse_loss smooth_l1_loss huber_loss l1_loss".split())
CLAMPS = frozenset("clamp clip".split())


@dataclass(frozen=True)
class Boundary:
    """Value numbers of each role, the first one naming its shape, and the evidence in words."""

    numbers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


Named = Sequence[tuple[str, str]]
"""Roles, and the variables that play them."""
LOG_PROBS = ("log_prob", "old_log_prob")


class NoRatio(UsageError):
    """A loss that is no policy's."""

    def __init__(self) -> None:
        super().__init__(
            "no probability ratio was found in the recorded loss: no exp of a difference of log-probs, and no log-prob "
            "of a distribution that advantages multiply row by row."
        )


def find_boundary(capture: Capture, named: Named = ()) -> Boundary:
    """The roles of one captured loss; raises NoRatio where it is neither a policy's nor a critic's.

    `named` are roles that the user gives to tensors by the names of his variables.
    """
    trace = capture.trace
    total = trace.value_of(capture.loss)
    ops = backward_slice(trace, [total], stop=parameters_in(trace))
    given = _given(capture, ops, named)
    numbers = _log_probs(trace, ops) or _weighted(trace, ops)
    numbers |= {role: number for role, number in given.items() if role in LOG_PROBS}
    outside = _beside_the_policy(trace, ops, total, numbers) if numbers else _of_critic(trace, ops, numbers)
    numbers |= given
    apart = dependencies(trace, numbers)  # what is made of a role is recomputed; at ratio 1 it may look like data
    mask = find_mask(trace, outside, numbers["log_prob"], apart) if "log_prob" in numbers else None
    numbers |= {} if mask is None else {"mask": mask}
    grouped = {role: _twins(trace, outside, number, apart) for role, number in numbers.items()}
    known = REASONS if "old_log_prob" in numbers else REASONS | WITHOUT_RATIO
    reasons = {role: _reason(role, known[role], capture, number) for role, number in numbers.items()}
    return Boundary(grouped, reasons | {role: f"`{name}`: named by you" for role, name in named if role in given})


def _given(capture: Capture, ops: Sequence[Op], named: Named) -> dict[str, int]:
    """The values of the loss that the user's names stand for at this `backward`."""
    inside = {number for op in ops for number in (*op.inputs, *op.outputs)}
    tensors = {role: capture.by_name[name] for role, name in named if name in capture.by_name}
    numbers = {role: capture.trace.find(tensor) for role, tensor in tensors.items()}
    return {role: number for role, number in numbers.items() if number is not None and number in inside}


def _beside_the_policy(trace: Trace, ops: Sequence[Op], total: int, numbers: dict[str, int]) -> Sequence[Op]:
    """Add the roles beside the log-probs to `numbers`; the operations outside the policy are the result."""
    numbers |= _advantage(trace, ops, numbers["log_prob"])
    policy = policy_of(trace, numbers["log_prob"])
    beside = backward_slice(trace, [total], stop=(numbers["log_prob"], *parameters_in(trace)))
    numbers |= _of_distribution(trace, beside, policy)
    stop = [numbers[role] for role in ("log_prob", "entropy", "kl") if role in numbers]
    outside = backward_slice(trace, [total], stop=stop)
    numbers |= _values(trace, outside, numbers, origins(trace, beside, policy))
    return outside


def _of_critic(trace: Trace, ops: Sequence[Op], numbers: dict[str, int]) -> Sequence[Op]:
    """Without a ratio: add the roles of a loss that compares one prediction a row with one target a row."""
    live = {number: frozenset((OTHER,)) for op in ops for number in (*op.inputs, *op.outputs) if _live(trace, number)}
    numbers |= _values(trace, ops, {}, live)
    tensors = [trace.tensors[numbers[role]] for role in ("value", "return_") if role in numbers]
    if len(tensors) < 2 or any(tensor.numel() != len(tensor) for tensor in tensors):
        raise NoRatio
    return ops


def _live(trace: Trace, number: int | None) -> bool:
    return number is not None and trace.tensors[number].requires_grad


def _log_probs(trace: Trace, ops: Sequence[Op]) -> dict[str, int]:
    """The operands under `exp`: live minus fixed is new against old; fixed minus the new one is the reference.

    Spreads stand under an `exp` too, in a KL by hand: the ratio is the one that meets data, the advantage.
    """
    live = {number: frozenset(("live",)) for op in ops for number in op.inputs if _live(trace, number)}
    pairs = [(op.outputs[0], *pair) for op, *pair in log_ratios(ops, live)]
    ratios = [pair for pair in pairs if _live(trace, pair[1]) and not _live(trace, pair[2])]
    if not ratios:
        return {}
    credited = [pair for pair in ratios if _advantage(trace, ops, pair[0])]
    _, new, old = (credited or ratios)[-1]
    makers, same = producers(trace), _downstream(ops, new)
    references = [
        first
        for _, first, second in pairs
        if not _live(trace, first) and (second in same or _base(trace, makers, second) == _base(trace, makers, new))
    ]
    found = {"log_prob": new, "old_log_prob": old}
    return found | {"ref_log_prob": references[-1]} if references else found


def _weighted(trace: Trace, ops: Sequence[Op]) -> dict[str, int]:
    """Without a ratio: the log-prob of a distribution that data multiplies, row by row, as in REINFORCE and A2C."""
    calls = [op for op in ops if op.via == "log_prob" and _live(trace, op.outputs[0])]
    if not calls:
        return {}
    results = _results(ops, calls)
    number = _gathered(trace, ops, results) if len(results) > 1 else calls[-1].outputs[0]
    number = None if number is None else _summed(trace, ops, number)
    return {} if number is None or not _advantage(trace, ops, number) else {"log_prob": number}


def _gathered(trace: Trace, ops: Sequence[Op], results: Sequence[int]) -> int | None:
    """Where the log-probs of single steps become one tensor."""
    size = sum(trace.tensors[number].numel() for number in results)
    cuts = bottlenecks(trace, results, ops[-1].outputs, ops)
    return next((number for number in cuts if trace.tensors[number].numel() == size), None)


def _advantage(trace: Trace, ops: Sequence[Op], ratio: int) -> dict[str, int]:
    """What multiplies the ratio, followed back to the tensor that came out of the buffer."""
    makers, downstream = producers(trace), _downstream(ops, ratio)
    for op in ops:
        factors = [number for number in operands(op)[:2] if number is not None]
        data = [number for number in factors if not _live(trace, number) and trace.tensors[number].numel() > 1]
        is_product = plain(op.name) in ("mul", "multiply") or isinstance(op.func, Whole)
        if is_product and len(factors) == 2 and len(data) == 1 and downstream & set(factors):
            return {"advantage": _origin(trace, makers, data[0], downstream)}
    return {}


def _downstream(ops: Sequence[Op], start: int) -> set[int]:
    reached = {start}
    for op in ops:
        if reached.intersection(op.inputs):
            reached.update(op.outputs)
    return reached


def _origin(trace: Trace, makers: dict[int, Op], number: int, live: Collection[int]) -> int:
    """Back through element-wise operations with one full-sized operand, to a tensor that was selected or given.

    Operands made of the log-prob (`live`), such as a detached ratio, are factors of the loss and no data. A rollout of
    (T, N) laid out flat is followed to where it became rows, and no further; and what a tensor held before it was
    written over is not recorded.
    """
    size = trace.tensors[number].numel()
    while (op := makers.get(number)) is not None and plain(op.name) in ELEMENTWISE and not is_in_place(op.name):
        full = [n for n in dict.fromkeys(op.inputs) if trace.tensors[n].numel() == size and n not in live]
        if len(full) != 1 or _regroups(trace, full[0], number):
            return number
        number = full[0]
    return number


def _of_distribution(trace: Trace, ops: Sequence[Op], policy: Policy) -> dict[str, int]:
    """The entropy and the exact KL: the call of `torch.distributions`, else what equals them to rounding."""
    found = {
        "entropy": _marked(trace, ops, "entropy", policy) or functional(trace, ops, policy, entropies),
        "kl": _marked(trace, ops, "kl_divergence", policy) or divergence(trace, ops, policy),
    }
    return {role: number for role, number in found.items() if number is not None}


def _marked(trace: Trace, ops: Sequence[Op], method: str, policy: Policy) -> int | None:
    """What a method of a distribution returned, summed over its own dimensions where the trainer does so."""
    calls = [op for op in ops if op.via == method and _live(trace, op.outputs[0])]
    if not calls:
        return None
    return _summed(trace, ops, _joined(trace, ops, calls, policy))


def _summed(trace: Trace, ops: Sequence[Op], number: int) -> int:
    """A value summed over its own dimensions, where the trainer does nothing else with it."""
    users = [op for op in ops if number in op.inputs]
    while len(users) == 1 and plain(users[0].name) in SHAPES | {"sum"} and trace.tensors[users[0].outputs[0]].dim() > 0:
        number = users[0].outputs[0]
        users = [op for op in ops if number in op.inputs]
    return number


def _joined(trace: Trace, ops: Sequence[Op], calls: Sequence[Op], policy: Policy) -> int:
    """The result of the calls; of several, where they come together.

    Distributions of one sample are added up, those of the steps of a recurrent policy are stacked as log-probs are.
    """
    results = _results(ops, calls)
    if len(results) < 2:
        return calls[-1].outputs[0]
    sizes = {trace.tensors[number].numel() for number in (results[0], policy.log_prob)}
    cuts = bottlenecks(trace, results, ops[-1].outputs, ops)
    return next((number for number in cuts if trace.tensors[number].numel() in sizes), calls[-1].outputs[0])


def _results(ops: Sequence[Op], calls: Sequence[Op]) -> list[int]:
    """What calls of a method hand to the operations outside of it."""
    inner = {id(op) for op in calls}
    used = {number for op in ops if id(op) not in inner for number in op.inputs}
    return [op.outputs[0] for op in calls if op.outputs[0] in used]


def _values(trace: Trace, ops: Sequence[Op], known: dict[str, int], origin: Mapping[int, Roles]) -> dict[str, int]:
    """The live prediction that is compared with data, its target, and its old value, which a clamp follows.

    It comes of parameters beside those of the distribution: two policies are compared too, in a KL. Where a loss adds
    up several calls of the policy, the log-probs of each are compared under an `exp` of their own.
    """
    makers, found = producers(trace), dict[str, int]()
    alive = {number: frozenset(("live",)) for op in ops for number in op.inputs if _live(trace, number)}
    taken = set(known.values()).union(*(pair for _, *pair in log_ratios(ops, alive)))
    for op in _pulled(trace, ops):
        pair = [number for number in operands(op)[:2] if number is not None]
        live = [number for number in pair if _live(trace, number)]
        if plain(op.name) not in COMPARISONS or len(pair) != 2 or len(live) != 1 or taken & set(pair):
            continue
        if LOG_PROB in origin.get(live[0], NONE) or OTHER not in origin.get(live[0], NONE):
            continue
        data = pair[1 - pair.index(live[0])]
        if trace.tensors[data].numel() < 2:
            continue
        base = _base(trace, makers, live[0])
        value = found.setdefault("value", base)
        if base == value or live[0] in _downstream(ops, value):
            is_clamped = any(plain(user.name) in CLAMPS for user in ops if op.outputs[0] in user.inputs)
            found.setdefault("old_value" if is_clamped else "return_", data)
    return found


def _pulled(trace: Trace, ops: Sequence[Op]) -> list[Op]:
    """The operations that the gradient of the loss goes through, in order: a detached difference is an advantage."""
    wanted, kept = set(ops[-1].outputs if ops else ()), list[Op]()
    for op in reversed(ops):
        if wanted.intersection(op.outputs) and any(_live(trace, number) for number in op.outputs):
            kept.append(op)
            wanted.update(op.inputs)
    return kept[::-1]


def _base(trace: Trace, makers: dict[int, Op], number: int) -> int:
    """The tensor behind views of it, as long as they have the same rows."""
    while (op := makers.get(number)) is not None and plain(op.name) in SHAPES:
        if _regroups(trace, op.inputs[0], number):
            break
        number = op.inputs[0]
    return number


def _regroups(trace: Trace, before: int, after: int) -> bool:
    """Whether one is the other with other rows: (T, N) laid out as (T * N,)."""
    first, second = trace.tensors[before], trace.tensors[after]
    return first.dim() > 1 and second.dim() > 0 and first.shape[:1] != second.shape[:1]


def _twins(trace: Trace, ops: Collection[Op], number: int, apart: Mapping[int, Roles]) -> tuple[int, ...]:
    """The number and all others in the slice with the same fixed content that come from the same data."""
    tensor = trace.tensors[number]
    if tensor.requires_grad:
        return (number,)
    makers = producers(trace)
    source = _source(makers, number)
    candidates = dict.fromkeys(n for op in ops for n in op.inputs if not apart.get(n))
    same = [n for n in candidates if _equal(trace.tensors[n], tensor) and _is_same(makers, source, _source(makers, n))]
    return (number, *same)


def _source(makers: dict[int, Op], number: int) -> int:
    """The tensor that this one was selected, copied or reshaped from."""
    while (op := makers.get(number)) is not None and plain(op.name) in MOVES and op.inputs:
        number = op.inputs[0]
    return number


def _is_same(makers: dict[int, Op], first: int, second: int) -> bool:
    """One source, or two that were both brought in from outside torch, such as one array converted twice."""
    brought_in = [number not in makers or not makers[number].inputs for number in (first, second)]
    return first == second or all(brought_in)


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    return (
        first.shape == second.shape
        and first.dtype == second.dtype
        and not first.requires_grad
        and torch.equal(first, second)
    )


REASONS = {
    "log_prob": "the live operand of the difference under `exp`",
    "old_log_prob": "the fixed operand of the difference under `exp`",
    "ref_log_prob": "the fixed first operand of a difference under `exp`",
    "advantage": "what multiplies the ratio, before the loss changes it",
    "entropy": "the result of the distribution's `entropy()`, or equal to it to rounding",
    "kl": "the result of `kl_divergence`, or equal to the exact KL of the two distributions to rounding",
    "value": "the live prediction that is compared with data",
    "return_": "what the value is compared with",
    "old_value": "what the value is clamped around",
    "mask": "what selects or multiplies entries of the loss; advantages pull at none that it drops",
}

WITHOUT_RATIO = {
    "log_prob": "the result of the distribution's `log_prob()` that data multiplies",
    "advantage": "what multiplies the log-prob, before the loss changes it",
}

MEASURED = frozenset(("entropy", "kl", "mask"))
"""Roles that are given to what behaves as they do, beside standing where they stand."""
SHORTEST_NAME = 3
"""Letters of a name that says anything: `a` is an action and an advantage."""


def _reason(role: str, known: str, capture: Capture, number: int) -> str:
    name = capture.names.get(id(capture.trace.tensors[number]), "")
    reason = f"`{name}`: {known}" if name else known
    return f"{reason} (confidence {_confidence(role, name)})"


def _confidence(role: str, name: str) -> str:
    """High where two kinds of evidence agree, fair where there is one, low where the name of the variable objects."""
    said = role_of(name) if len(name) >= SHORTEST_NAME else None
    if said == role:
        return "high: its name says the same"
    if role in MEASURED:
        return "high: it behaves so"
    if said is None or _present(said) == _present(role):
        return "fair: by its place alone"
    return f"low: its name speaks of `{said}`"


def _present(role: str) -> str:
    """The role without its time: names often leave out that something is old."""
    return role.removeprefix("old_").removeprefix("ref_")
