"""What a recorded loss computes of the policy's distribution alone: its entropy and its exact KL, written out by hand.

The parameters of a distribution are what its log-prob is computed from, back to the network's last layer. What depends
on nothing else of the network is a functional of the distribution. It is known for what it is by calling its recorded
operations again with other parameters: it must equal the entropy, or the KL, recomputed from those.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from ppo_audit.recording.graph import NONE, Roles, backward_slice, is_parameter, plain, producers, substitute
from ppo_audit.recording.trace import Op, Trace, is_in_place
from ppo_audit.reference import categorical_entropy, categorical_kl, gaussian_entropy, gaussian_kl

POLICY, LOG_PROB, OTHER = "policy", "log_prob", "other"
LAYERS = frozenset(
    "linear matmul mm bmm addmm baddbmm einsum bilinear embedding conv1d conv2d conv3d lstm gru rnn_tanh rnn_relu "
    "lstm_cell gru_cell scaled_dot_product_attention dropout layer_norm batch_norm rms_norm group_norm".split()
)
SELECTIONS = frozenset("getitem chunk split unbind select narrow view reshape squeeze unsqueeze flatten".split())
JITTER = 0.3
MOST_PAIRS = 2000
"""Combinations of recorded tensors that are tried as means and spreads of two Gaussians."""

Values = dict[int, torch.Tensor]


@dataclass(frozen=True)
class Policy:
    """The distribution's parameters, by value number, and all that is computed of them on the way to the log-prob."""

    log_prob: int
    heads: frozenset[int]
    cone: tuple[int, ...] = field(repr=False)


def policy_of(trace: Trace, log_prob: int) -> Policy:
    """The distribution behind a log-prob."""
    makers = producers(trace)
    heads = frozenset(_heads(trace, makers, log_prob))
    inner = backward_slice(trace, [log_prob], stop=heads)
    made = [number for op in inner for number in op.outputs if trace.tensors[number].requires_grad]
    return Policy(log_prob, heads, tuple(dict.fromkeys([*sorted(heads), *made])))


def _heads(trace: Trace, makers: Mapping[int, Op], log_prob: int) -> Iterator[int]:
    """Back from the log-prob along live operands, up to layers and parameters."""
    pending, seen = [log_prob], {log_prob}
    while pending:
        number = pending.pop()
        op = makers.get(number)
        if op is None or is_parameter(trace.tensors[number]) or _is_layer(op, makers):
            yield number
            continue
        live = [n for n in op.inputs if trace.tensors[n].requires_grad and n not in seen]
        seen.update(live)
        pending.extend(live)


def _is_layer(op: Op | None, makers: Mapping[int, Op]) -> bool:
    """Whether a network's layer made a value, or what was selected of its output."""
    while op is not None and plain(op.name) in SELECTIONS:
        op = makers.get(op.inputs[0])
    return op is not None and plain(op.name) in LAYERS


def origins(trace: Trace, ops: Sequence[Op], policy: Policy) -> dict[int, Roles]:
    """Of every live value in `ops`: whether it comes of the distribution, of the log-prob, or of other parameters."""
    found: dict[int, Roles] = dict.fromkeys(policy.heads, frozenset((POLICY,)))
    found[policy.log_prob] = frozenset((LOG_PROB,))
    for op in ops:
        roles = NONE.union(*(_origin(trace, number, found) for number in op.inputs))
        for number in op.outputs:
            found.setdefault(number, roles if trace.tensors[number].requires_grad else NONE)
    return found


def _origin(trace: Trace, number: int, found: Mapping[int, Roles]) -> Roles:
    if number in found:
        return found[number]
    return frozenset((OTHER,)) if is_parameter(trace.tensors[number]) else NONE


def functional(
    trace: Trace, ops: Sequence[Op], policy: Policy, wanted: Callable[[Values, Values, int], Iterator[torch.Tensor]]
) -> int | None:
    """The last value in `ops`, one a sample, that equals one of `wanted` whatever the distribution's parameters are."""
    region = _of_heads_alone(trace, ops, policy)
    sizes = _sizes(trace, policy)
    rows = trace.tensors[policy.log_prob].numel()
    candidates = [n for op in region for n in op.outputs if trace.tensors[n].numel() in sizes]
    if not candidates or rows < 2:
        return None
    inner = backward_slice(trace, [policy.log_prob], stop=policy.heads)
    values = _called_again(trace, [*inner, *(op for op in region if op not in inner)], policy)
    cone = {number: values[number] for number in policy.cone if number in values}
    fixed = _fixed(trace, region)
    known = [number for number in candidates if number in values]
    matched = [n for expected in wanted(cone, fixed, rows) for n in known if _agrees(values[n], expected)]
    joint = [number for number in matched if trace.tensors[number].numel() == rows]
    return max(joint or matched, default=None)


def divergence(trace: Trace, ops: Sequence[Op], policy: Policy) -> int | None:
    """The exact KL, where there is data that an old distribution could be given by."""
    data = _fixed(trace, _of_heads_alone(trace, ops, policy)).values()
    if not any(tensor.is_floating_point() and bool((tensor != tensor.flatten()[:1]).any()) for tensor in data):
        return None
    return functional(trace, ops, policy, divergences)


def _of_heads_alone(trace: Trace, ops: Sequence[Op], policy: Policy) -> list[Op]:
    """What is computed of the distribution's parameters and of nothing else that is trained."""
    found = origins(trace, ops, policy)
    return [op for op in ops if any(found.get(number) == frozenset((POLICY,)) for number in op.outputs)]


def _fixed(trace: Trace, region: Sequence[Op]) -> Values:
    return {n: trace.tensors[n] for op in region for n in op.inputs if not trace.tensors[n].requires_grad}


def _sizes(trace: Trace, policy: Policy) -> Collection[int]:
    """The number of samples, and that of samples times action dimensions."""
    rows = trace.tensors[policy.log_prob].numel()
    return {rows} | {trace.tensors[n].numel() for n in policy.cone if trace.tensors[n].numel() % rows == 0}


def _called_again(trace: Trace, ops: Sequence[Op], policy: Policy) -> Values:
    """The recorded operations on other parameters; writes in place and what follows them are left out."""
    generator = torch.Generator().manual_seed(0)
    values: Values = {}
    for number in sorted(policy.heads):
        head = trace.tensors[number].detach()
        noise = torch.randn(head.shape, generator=generator, dtype=torch.float32).to(head)
        values[number] = head + JITTER * noise
    for op in ops:
        if not values.keys() & set(op.inputs) or is_in_place(op.name):
            continue
        with torch.no_grad():
            out = substitute(op, values)
        made = [out] if isinstance(out, torch.Tensor) else [t for t in out if isinstance(t, torch.Tensor)]
        values |= {number: tensor for number, tensor in zip(op.outputs, made, strict=False) if number not in values}
    return values


def _agrees(got: torch.Tensor, expected: torch.Tensor) -> bool:
    """Equal to rounding, and not zero, which tells nothing."""
    if got.numel() != expected.numel() or not bool(got.isfinite().all()):
        return False
    got, want = got.double().flatten(), expected.double().flatten()
    return bool(((got - want).abs() <= 1e-4 * (want.abs() + want.abs().mean())).all() and want.abs().mean() > 0)


def entropies(cone: Values, fixed: Values, rows: int) -> Iterator[torch.Tensor]:
    """The entropies that the recorded parameters may stand for; joint ones first, then those of single dimensions."""
    vectors = [x for x in cone.values() if _width(x, rows) > 1]
    parts = _distinct([categorical_entropy(x.double()).flatten() for x in vectors])
    parts = [part for part in parts if part.numel() == rows]
    yield from parts
    if len(parts) > 1:
        yield torch.stack(parts).sum(0)
    spreads = [spread for x in cone.values() if _width(x, rows) for spread in _log_stds(x.double())]
    yield from (gaussian_entropy(spread.reshape(rows, -1)) for spread in spreads)
    yield from (gaussian_entropy(spread.unsqueeze(-1)) for spread in spreads)


def divergences(cone: Values, fixed: Values, rows: int) -> Iterator[torch.Tensor]:
    """The exact KL, in both directions, between what the recorded parameters and the fixed tensors may stand for."""
    new = _distinct([x.double().reshape(rows, -1) for x in cone.values() if _width(x, rows)])
    old = _distinct([x.double().reshape(rows, -1) for x in fixed.values() if x.is_floating_point() and _width(x, rows)])
    for x, y in itertools.product(new, old):
        if x.shape == y.shape and x.shape[-1] > 1:
            yield categorical_kl(y, x)
            yield categorical_kl(x, y)
    pairs = itertools.product(itertools.permutations(new, 2), itertools.permutations(old, 2))
    for (mean, spread), (old_mean, old_spread) in itertools.islice(pairs, MOST_PAIRS):
        if not mean.shape == spread.shape == old_mean.shape == old_spread.shape:
            continue
        for one, other in zip(_log_stds(spread), _log_stds(old_spread), strict=False):
            yield gaussian_kl(old_mean, other, mean, one)
            yield gaussian_kl(mean, one, old_mean, other)


def _width(tensor: torch.Tensor, rows: int) -> int:
    """How many numbers a sample has; 0 where the tensor has no row for every sample."""
    return tensor.numel() // rows if tensor.dim() and tensor.numel() and tensor.numel() % rows == 0 else 0


def _log_stds(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensor read as a log standard deviation, and as a standard deviation."""
    yield tensor
    if bool((tensor > 0).all()):
        yield tensor.log()


def _distinct(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    kept: list[torch.Tensor] = []
    for tensor in tensors:
        if not any(tensor.shape == other.shape and torch.allclose(tensor, other, equal_nan=True) for other in kept):
            kept.append(tensor)
    return kept
