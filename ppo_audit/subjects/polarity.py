"""Whether the candidate for a mask is one: advantages pull at entries that it keeps, and at none that it drops."""

from __future__ import annotations

from dataclasses import replace

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.subjects.replayed import Program, replay


def polarity(program: Program) -> bool | None:
    """Whether 1 keeps an entry; None where the candidate is no mask."""
    shape = program.recorded()["mask"].shape
    some = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    try:
        live = _credited(program, some)
    except NotApplicable:
        return None
    shown = some.reshape(shape + (1,) * (live.dim() - len(shape))).expand_as(live)
    if live[shown].any() and not live[~shown].any():
        return True
    return False if live[~shown].any() and not live[shown].any() else None


def _credited(program: Program, mask: torch.Tensor) -> torch.Tensor:
    """The entries whose log-prob is pulled by advantages: other terms may reach the rest, rightly or not."""
    recorded = program.recorded()
    generator = torch.Generator().manual_seed(1)
    slopes: list[torch.Tensor] = []
    for _ in range(2):
        advantage = torch.randn(recorded["advantage"].shape, generator=generator, dtype=torch.float64)
        batch = {"mask": mask.to(recorded["mask"].dtype), "advantage": advantage}
        batch["log_prob"] = recorded["old_log_prob"]  # at ratio 1 no clip takes a gradient away
        run = replay(program, batch, torch.float64, {}, {})
        slopes.extend(torch.autograd.grad(run.loss, [run.leaves["log_prob"]]))
    return slopes[0].ne(slopes[1])


def with_measured_mask(program: Program) -> Program:
    """The program without the role where its candidate is no mask, which then is data like any other."""
    known = program.boundary.numbers.keys()
    if "mask" not in known:
        return program
    keeps = polarity(program) if {"advantage", "old_log_prob"} <= known else None
    if keeps is not None:
        return replace(program, mask_keeps=keeps)
    without = lambda of: {role: x for role, x in of.items() if role != "mask"}
    numbers, reasons = without(program.boundary.numbers), without(program.boundary.reasons)
    return replace(program, boundary=replace(program.boundary, numbers=numbers, reasons=reasons))
