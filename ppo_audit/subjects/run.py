"""One evaluation of a target on a batch: its loss, what it returned, and the trace of how it came about."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ppo_audit.errors import NoGradient, UsageError
from ppo_audit.recording.trace import Intervention, Op, OpKey, Recorder, Trace
from ppo_audit.subjects.batch import Batch, clone
from ppo_audit.targets.calling import Call, label
from ppo_audit.targets.returned import returned_names

DIFFERENTIABLE = frozenset("log_prob value entropy kl mean log_std std logits".split())
"""Roles that carry a gradient in a trainer; the others come from a buffer and carry none."""
TOTALS = (
    "loss",
    "total_loss",
    "total",
    "objective",
    "loss_total",
    "actor_loss",
    "policy_loss",
    "pg_loss",
    "loss_objective",
)


WHOLES = frozenset(("loss", "total_loss", "total", "objective", "loss_total"))
OF_THE_POLICY = ("policy_loss", "pg_loss", "actor_loss", "pi_loss")
OF_VALUES = ("value_loss", "vf_loss", "v_loss", "critic_loss")


@dataclass(frozen=True)
class Run:
    """A measured call. `numbers` and `leaves` are the value number and the tensor of each role given."""

    loss: torch.Tensor
    total: int
    outputs: Mapping[str, torch.Tensor]
    trace: Trace
    leaves: Mapping[str, torch.Tensor]
    numbers: Mapping[str, int]
    asked: Mapping[str, str]
    given: Mapping[str, Any]


@dataclass(frozen=True)
class Borrowed:
    """An intervention that takes the value of a role: as `keeping` has seen it in this run, else as it was given."""

    role: str
    call: Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
    usual: Any = None
    """What it is where the target was given none."""
    kept: list[Any] = field(default_factory=list)

    def of(self, given: Mapping[str, Any]) -> Intervention:
        """The intervention for one run, which has the roles' values."""
        self.kept.clear()

        def replacement(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            return self.call(self.kept[-1] if self.kept else given.get(self.role, self.usual), func, args, kwargs)

        return replacement

    def keeping(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An intervention that changes nothing, and keeps what the call returned."""
        self.kept.append(func(*args, **kwargs))
        return self.kept[-1]


Interventions = Mapping[OpKey, Intervention | Borrowed]


def ready(interventions: Interventions, given: Mapping[str, Any]) -> dict[OpKey, Intervention]:
    """The interventions of one run."""
    return {key: each.of(given) if isinstance(each, Borrowed) else each for key, each in interventions.items()}


Cuts = Mapping[str, OpKey]
Evaluate = Callable[[Batch, torch.dtype, Cuts, Interventions], Run]


def put(leaf: torch.Tensor) -> Intervention:
    """An intervention that puts `leaf` in place of what the call returned, in its shape and dtype."""

    def replacement(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        out = func(*args, **kwargs)
        if out is None:  # a write in place, such as `x[mask] = y`: the tensor written to takes the values
            args[0].copy_(leaf.detach().reshape(args[0].shape))
            return None
        values = leaf.to(out.device)
        if leaf.numel() not in (1, out.numel()):
            raise UsageError(f"a recorded value of shape {tuple(out.shape)} cannot take {tuple(leaf.shape)}")
        return values.reshape(out.shape).to(out.dtype) if leaf.numel() == out.numel() else values.expand(out.shape)

    return replacement


def call_under_recorder(
    call: Call, device: str, batch: Batch, dtype: torch.dtype, cuts: Cuts, interventions: Interventions
) -> Run:
    """Call the target on fresh tensors; roles in `cuts` replace the intermediate that plays them."""
    leaves = clone(batch, dtype, DIFFERENTIABLE)
    placed = {key: put(leaf) for role, key in cuts.items() if isinstance(leaf := leaves.get(role), torch.Tensor)}
    asked: dict[str, str] = {}
    given = {role: as_given(leaf, device) for role, leaf in leaves.items()}
    recorder = Recorder(ready(interventions, call.scalars | given), placed)
    args, kwargs = call.arguments(given, asked)
    tensors = {role: leaf for role, leaf in leaves.items() if isinstance(leaf, torch.Tensor)}
    numbers = {role: recorder.trace.value_of(seen) for role, seen in given.items() if isinstance(seen, torch.Tensor)}
    with modes_kept(), recorder:
        returned = call.function(*args, **kwargs)
        outputs = by_their_names(named_outputs(returned, label(call.function)), returned_names(call.function))
        loss = total_of(outputs, label(call.function))
    made = {op.key: op.outputs[0] for op in recorder.trace.ops}
    numbers |= {role: made[key] for role, key in cuts.items() if role in leaves and key in made}
    return Run(
        loss,
        recorder.trace.value_of(loss),
        {**_inner(returned), **outputs},
        recorder.trace,
        tensors,
        numbers,
        asked,
        given,
    )


@contextlib.contextmanager
def modes_kept() -> Iterator[None]:
    """Modes of torch that the target changed are put back, for the next call; random generators go on as they are."""
    grad_enabled, dtype = torch.is_grad_enabled(), torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_grad_enabled(grad_enabled)
        torch.set_default_dtype(dtype)


def as_given(leaf: torch.Tensor | float, device: str = "cpu") -> torch.Tensor | float:
    """What the target sees, on its device: no leaf of autograd, so that it may write in place as in its trainer."""
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return (leaf.clone() if leaf.requires_grad else leaf).to(device)


def named_outputs(returned: Any, name: str) -> dict[str, torch.Tensor]:
    """The tensors that a target returned, by name or position; raises UsageError where there is none."""
    items = _items(returned)
    found = {key: value for key, value in items.items() if isinstance(value, torch.Tensor)}
    if not found:
        raise UsageError(
            f"`{name}` returned {_describe(returned)}; expected a tensor, or a tuple, dict or object that holds one. "
            f"Return the loss as a torch tensor that still carries its graph."
        )
    return found


def _inner(returned: Any) -> dict[str, torch.Tensor]:
    """The tensors of a dict of metrics that is returned beside the loss."""
    beside = [item for item in _items(returned).values() if isinstance(item, Mapping)]
    return {str(key): value for item in beside for key, value in item.items() if isinstance(value, torch.Tensor)}


def _describe(returned: Any) -> str:
    return "nothing" if returned is None else f"a `{type(returned).__name__}` without a tensor"


def _items(returned: Any) -> dict[str, Any]:
    if isinstance(returned, torch.Tensor):
        return {"loss": returned}
    if isinstance(returned, Mapping):
        return {str(key): value for key, value in returned.items()}
    if hasattr(returned, "_asdict"):
        return dict(returned._asdict())
    if isinstance(returned, tuple | list):
        return {str(index): item for index, item in enumerate(returned)}
    if dataclasses.is_dataclass(returned) or hasattr(returned, "__dict__"):
        return dict(vars(returned))
    return {}


def total_of(outputs: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    """The loss among the outputs: by name, else the first differentiable one; parts without a total are added up."""
    live = {key: tensor for key, tensor in outputs.items() if tensor.requires_grad and tensor.is_floating_point()}
    if not live:
        raise NoGradient(
            f"`{name}` returned no tensor with a gradient; expected a loss that depends on the log-probs. "
            f"Is it under `torch.no_grad()`, or detached?"
        )
    parts = [] if live.keys() & WHOLES else _parts(live)
    if len(parts) > 1:
        return sum((_scalar(part) for part in parts[1:]), start=_scalar(parts[0]))
    chosen = next((live[key] for key in TOTALS if key in live), next(iter(live.values())))
    return _scalar(chosen)


def by_their_names(outputs: Mapping[str, torch.Tensor], names: Sequence[str]) -> Mapping[str, torch.Tensor]:
    """A tuple whose first tensor is no scalar, with the loss among its elements by the name that it is returned by."""
    first = next((tensor for tensor in outputs.values() if tensor.requires_grad), None)
    if "0" not in outputs or first is None or first.dim() == 0:
        return outputs
    named = {names[int(key)]: key for key in outputs if int(key) < len(names)}
    total = next((name for name in TOTALS if name in named), None)
    if total is None:
        return outputs
    key = named[total]
    return {total: outputs[key], **{name: tensor for name, tensor in outputs.items() if name != key}}


def _parts(live: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    """Losses that are returned side by side, for the caller to add: by prefix, or one of the policy, one of values."""
    prefixed = [tensor for key, tensor in live.items() if key.startswith("loss_")]
    pair = [next((live[key] for key in keys if key in live), None) for keys in (OF_THE_POLICY, OF_VALUES)]
    return prefixed if len(prefixed) > 1 else [tensor for tensor in pair if tensor is not None]


def _scalar(tensor: torch.Tensor) -> torch.Tensor:
    """A loss given per element counts by its mean, as the caller of such a function reduces it."""
    return tensor if tensor.dim() == 0 else tensor.mean()


def is_our_average(op: Op) -> bool:
    """Whether an operation is that mean, and none of the target's."""
    return op.site is not None and op.site.file == __file__
