"""What rounding does to a target: every result moved by one rounding, forward and backward, while the target runs.

A number that such a run moves is one that another order of the same operations may move as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ppo_audit.recording.graph import plain
from ppo_audit.recording.trace import is_in_place, name_of

ROUNDED = frozenset(
    "add radd sub rsub subtract mul rmul multiply div divide truediv rtruediv true_divide rdiv pow rpow exp exp2 expm1 "
    "log log1p sqrt rsqrt reciprocal square sum mean std var std_mean var_mean norm prod cumsum softmax log_softmax "
    "logsumexp sigmoid logsigmoid softplus tanh mse_loss smooth_l1_loss huber_loss l1_loss einsum matmul dot".split()
)


class Rounding(TorchFunctionMode):
    """Moves the result of each arithmetic operation up or down by one rounding; `start` chooses the signs."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.turn = start

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = name_of(func)
        is_arithmetic = plain(name) in ROUNDED and not is_in_place(name)
        if is_arithmetic and isinstance(out, torch.Tensor) and out.is_floating_point():
            self.turn += 1
            return _moved(out, self.turn)
        return out


def rounded(function: Callable[..., Any], start: int) -> Callable[..., Any]:
    """The function with its arithmetic moved by roundings."""

    def called(*args: Any, **kwargs: Any) -> Any:
        with Rounding(start):
            return function(*args, **kwargs)

    return called


def _moved(out: torch.Tensor, turn: int) -> torch.Tensor:
    places = torch.arange(out.numel(), device=out.device).reshape(out.shape)
    signs = 1 - 2 * ((places * (turn % 5 + 1) // 2 + turn) % 2).to(out.dtype)
    is_whole = out.detach() == out.detach().round()  # counts, indices and flags are exact, and compared as such
    factor = 1 + torch.finfo(out.dtype).eps * signs * ~is_whole
    moved = out * factor
    if moved.requires_grad:
        moved.register_hook(lambda gradient: gradient * factor.to(gradient.dtype))
    return moved
