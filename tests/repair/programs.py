"""What a training program learns in its first steps: a repaired one beside the one that was meant, from one seed."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from ppo_audit.trainer import script

STEPS = 12
"""Optimizer steps that are compared: several minibatches and more than one epoch of the small programs."""


class _Enough(BaseException):
    """Leaves the program."""


def apart(meant: Path, repaired: Path, tolerance: float) -> Iterator[str]:
    """The optimizer steps after which the parameters are not alike."""
    one, other = learnt(meant), learnt(repaired)
    if len(one) != len(other):
        yield f"{len(other)} steps for {len(one)}"
    for step, (first, second) in enumerate(zip(one, other, strict=False)):
        close = (torch.allclose(a, b, rtol=tolerance, atol=1e-6) for a, b in zip(first, second, strict=False))
        if len(first) != len(second) or not all(close):
            yield f"step {step}"


def learnt(path: Path) -> list[list[torch.Tensor]]:
    """The parameters after each of the first steps of any optimizer, and the gradients: Adam hides their size."""
    seen: list[list[torch.Tensor]] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = [torch.zeros(()) if parameter.grad is None else parameter.grad.clone() for parameter in held]
        seen.append([*(parameter.detach().clone() for parameter in held), *gradients])
        if len(seen) == STEPS:
            raise _Enough

    torch.manual_seed(0), numpy.random.seed(0), random.seed(0)
    hook = register_optimizer_step_post_hook(note)
    try:
        with contextlib.suppress(_Enough), contextlib.redirect_stdout(io.StringIO()):
            script(path, ())()
    finally:
        hook.remove()
    return seen
