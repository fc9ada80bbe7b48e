"""What a helper computes on random inputs, through the convention in which its unfaulted twin is called."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

from ppo_audit.api import opened
from ppo_audit.helpers.controller import STEPS, Controller
from ppo_audit.helpers.credit import Credit
from ppo_audit.helpers.log_prob import LogProb
from ppo_audit.helpers.metric import ClipFraction
from ppo_audit.helpers.returns import Returns, make_rollout, told
from ppo_audit.repair.trials import call_of
from ppo_audit.settings import Settings
from ppo_audit.subjects.batch import ordinary_rows
from ppo_audit.subjects.judged import Judged
from ppo_audit.subjects.subject import Subject

ROWS, TOKENS = 16, 4
SEEDS = range(501, 509)
KLS = (0.0, 0.003, 0.014, 0.033, 0.07, 0.4, 2.0)


def apart(meant: Path, repaired: Path, attribute: str, settings: Settings, tolerance: float) -> Iterator[str]:
    """The random inputs on which a repaired helper is not its twin."""
    twin = opened(f"{meant}:{attribute}", settings)[0][0][1]
    other = _with_function(twin, opened(f"{repaired}:{attribute}", settings)[0][0][1])
    for seed in SEEDS:
        one, two = _outcome(twin, seed), _outcome(other, seed)
        if one is not None and (two is None or not _alike(one, two, tolerance)):
            yield f"random {seed}"


def _with_function(twin: Judged, other: Judged) -> Judged:
    """The twin with the other's function in it, called as the twin is."""
    if isinstance(twin, Subject):
        call, function = call_of(twin), call_of(other)
        assert call is not None
        assert function is not None
        arguments = (dataclasses.replace(call, function=function.function), *twin.evaluate.args[1:])
        return dataclasses.replace(twin, evaluate=functools.partial(twin.evaluate.func, *arguments))
    if isinstance(twin, Returns):
        return dataclasses.replace(twin, callee=dataclasses.replace(twin.callee, function=other.function))
    return dataclasses.replace(twin, function=other.function)


def _outcome(subject: Judged, seed: int) -> list[torch.Tensor] | None:
    """What comes out, and the gradients where there are any; None where it raises."""
    try:
        return list(_computed(subject, torch.Generator().manual_seed(seed), seed))
    except Exception:
        return None


def _computed(subject: Judged, generator: torch.Generator, seed: int) -> Iterator[torch.Tensor]:
    normal = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)
    keep = (torch.rand(ROWS, generator=generator) < 0.7).double().index_fill(0, torch.tensor([0, 8]), 1.0)
    match subject:
        case Returns():
            yield from _of_rollout(subject, generator, seed)
        case Credit():
            role = "advantage" if "advantage" in subject.available else "reward"
            groups = {"group": torch.arange(ROWS) // 4} if "group" in subject.available else {}
            masks = {"mask": keep} if "mask" in subject.available else {}
            yield subject.normalised(**{role: 3 * normal(ROWS) + 1}, **groups, **masks)
        case LogProb():
            yield subject.log_probs(subject.policies(seed), subject.actions())
        case ClipFraction():
            yield torch.tensor(subject.share(0.4 * normal(ROWS), normal(ROWS), keep))
        case Controller():
            yield from (torch.tensor(subject.course(kl, STEPS)) for kl in KLS)
        case Subject():
            yield from _of_loss(subject, seed, generator)


def _of_rollout(subject: Returns, generator: torch.Generator, seed: int) -> Iterator[torch.Tensor]:
    """A rollout with ends wherever they fall, under other settings each time."""
    gamma, lambda_ = (0.6 + 0.4 * torch.rand(2, generator=generator)).tolist()
    built_in = {"gamma": subject.convention.gamma, "lambda_": subject.convention.lambda_}
    settings = {"gamma": gamma, "lambda_": lambda_} | {name: it for name, it in built_in.items() if it is not None}
    drawn = make_rollout({}, seed, settings)
    terminated = torch.rand(drawn.reward.shape, generator=generator) < 0.2
    truncated = (torch.rand(drawn.reward.shape, generator=generator) < 0.15) & ~terminated
    tells_apart = "truncated" in subject.available or {"done", "terminated"} <= subject.available
    truncated &= torch.tensor(tells_apart)
    ends = {"terminated": terminated.nonzero().tolist(), "truncated": truncated.nonzero().tolist()}
    rollout = told(make_rollout(ends, seed, settings).scaled(3.0), subject.convention, subject.available)
    yield from subject.outputs(rollout).values()


def _of_loss(subject: Subject, seed: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Value and gradients of a loss or a divergence; of tokens, the first of a row always counts, others at random."""
    layout = subject.layout.tokens(TOKENS)
    batch = ordinary_rows(layout, subject.available, ROWS, seed)
    if "mask" in batch:
        keep = torch.rand(batch["mask"].shape, generator=generator) < 0.7
        keep[:, 0] = True
        batch["mask"] = layout.mask(keep.double())
    run = subject.run(batch)
    yield run.loss.detach()
    leaves = [leaf for leaf in run.leaves.values() if leaf.requires_grad]
    if leaves and run.loss.requires_grad:
        gradients = torch.autograd.grad(run.loss, leaves, allow_unused=True)
        yield from (torch.zeros(()) if gradient is None else gradient for gradient in gradients)


def _alike(one: list[torch.Tensor], other: list[torch.Tensor], tolerance: float) -> bool:
    close = lambda a, b: torch.allclose(a.double(), b.double(), rtol=tolerance, atol=1e-8, equal_nan=True)
    return len(one) == len(other) and all(a.shape == b.shape and close(a, b) for a, b in zip(one, other, strict=True))
