"""What a training loop did: backward passes, steps, clippings in order; its minibatches; who trains which parameters.

The ledger of an optimizer follows a few of its parameters, since copies of all gradients would cost as much memory as
the gradients themselves.
"""

from __future__ import annotations

import gc
import sysconfig
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

from ppo_audit.recording.graph import plain
from ppo_audit.recording.trace import OWN_FOLDER, TORCH_FOLDERS, Site, Trace, site_of
from ppo_audit.recording.watched import Watched

RANDOM = frozenset("dropout feature_dropout alpha_dropout rrelu".split())
HALVES = (torch.float16, torch.bfloat16)
WATCHED = 3
"""Parameters of each optimizer whose gradients are followed, the smallest ones."""
INSTALLED = frozenset(("site-packages", "dist-packages"))
OTHERS = (sysconfig.get_path("stdlib"), str(Path(__file__).parents[1]), "<")
"""Where code lies that no user of ours wrote: the standard library, this package, what was compiled from a string."""


@dataclass(frozen=True)
class Passed:
    """A backward pass: the loss that it starts from, known by how it is reached, and the parameters that it reaches."""

    place: Site | None
    loss: Hashable = field(repr=False)
    reached: frozenset[int] = field(repr=False)


@dataclass(frozen=True)
class Stepped:
    """A step of an optimizer. `gradients` are `fresh`, `stale` (those of the step before are in them) or `missing`."""

    place: Site | None
    optimizer: int
    gradients: str


@dataclass(frozen=True)
class Clipped:
    """A clipping of the gradients of these parameters."""

    place: Site | None
    parameters: frozenset[int] = field(repr=False)


Event = Passed | Stepped | Clipped


@dataclass(frozen=True)
class Minibatch:
    """One use of samples: who they are, by the content of what the network was given, and what the roles held.

    `moment` is the number of events before its backward pass; `watched` are scalars that the target compares.
    """

    loss: Hashable = field(repr=False)
    moment: int
    samples: tuple[bytes, ...] = field(repr=False)
    roles: Mapping[str, torch.Tensor] = field(repr=False)
    reached: Mapping[str, frozenset[int]] = field(repr=False)
    watched: tuple[Watched, ...] = field(default=(), repr=False)


class Seen(NamedTuple):
    """What is kept of a minibatch: its samples, its roles, the parameters each comes of, whether it is noisy."""

    samples: tuple[bytes, ...]
    roles: Mapping[str, torch.Tensor]
    reached: Mapping[str, frozenset[int]]
    is_noisy: bool = False


def first_repeat(minibatches: Sequence[Minibatch]) -> int | None:
    """The index of the first minibatch that holds a sample which an earlier one held."""
    known: set[bytes] = set()
    for index, minibatch in enumerate(minibatches):
        if not known.isdisjoint(minibatch.samples):
            return index
        known.update(minibatch.samples)
    return None


@dataclass(frozen=True)
class Trainer:
    """An optimizer: what it trains, where it was built, and whether the size of a gradient matters to it."""

    number: int
    kind: str
    parameters: frozenset[int] = field(repr=False)
    place: Site | None = None


@dataclass(frozen=True)
class Loop:
    """All that was seen of one run, for the rules about trainers. `trace` is that of the first loss with a ratio."""

    events: tuple[Event, ...] = field(repr=False)
    minibatches: tuple[Minibatch, ...] = field(repr=False)
    trainers: tuple[Trainer, ...]
    names: Mapping[int, str] = field(repr=False)
    """The names of parameters, as far as a module of the target holds them."""
    unmoved: frozenset[int] = field(repr=False)
    """Parameters that no optimizer holds and that kept their values."""
    arrays: Mapping[str, torch.Tensor] = field(default_factory=dict, repr=False)
    """What the target's frames held at the first loss with a ratio, by name."""
    trace: Trace = field(default_factory=Trace, repr=False)
    is_noisy: bool = False
    """Whether the network draws random numbers, so that its outputs differ from call to call."""
    is_half: bool = False
    """Whether half precision was used."""
    is_whole: bool = True
    """Whether the recording began before anything was trained."""


@dataclass
class Ledger:
    """The gradients of an optimizer's watched parameters, from one step to the next."""

    optimizer: torch.optim.Optimizer
    place: Site | None
    watched: list[torch.Tensor] = field(default_factory=list)
    used: list[torch.Tensor | None] = field(default_factory=list)
    was_cleared: bool = True
    passes: int = 0
    has_gradient: bool = False

    def before_backward(self, reached: frozenset[int]) -> None:
        """Note whether the gradients of the last step are gone before new ones are added to them."""
        if not any(id(parameter) in reached for parameter in self.watched):
            return
        self.passes += 1
        pairs = list(zip(self.watched, self.used, strict=False))
        if not pairs or not any(_still(parameter.grad, used) for parameter, used in pairs):
            self.was_cleared = True

    def after_backward(self) -> None:
        """Note whether the pass left a gradient: one that is zero by itself, at no advantage, nobody cleared."""
        self.has_gradient = self.has_gradient or not all(_is_nothing(parameter.grad) for parameter in self.watched)

    def before_step(self) -> str:
        """What the step works with."""
        if not self.watched:
            self.watched = smallest(self.optimizer)
            return "fresh"
        if self.has_gradient and all(_is_nothing(parameter.grad) for parameter in self.watched):
            return "missing"
        return "fresh" if self.was_cleared or not self.passes else "stale"

    def after_step(self) -> None:
        self.used = [None if each.grad is None else each.grad.detach().clone() for each in self.watched]
        self.was_cleared, self.passes, self.has_gradient = False, 0, False


def smallest(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The parameters to watch."""
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return sorted((each for each in held if each.requires_grad), key=torch.Tensor.numel)[:WATCHED]


def _still(gradient: torch.Tensor | None, used: torch.Tensor | None) -> bool:
    """Whether a gradient is what a step has used already."""
    return gradient is not None and used is not None and bool(used.any()) and torch.equal(gradient, used)


def _is_nothing(gradient: torch.Tensor | None) -> bool:
    return gradient is None or not bool(gradient.any())


@dataclass
class Watcher:
    """Notes events as they come; `minibatches` are added by whoever knows what a loss consists of."""

    events: list[Event] = field(default_factory=list)
    minibatches: list[Minibatch] = field(default_factory=list)
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    arrays: dict[str, torch.Tensor] = field(default_factory=dict)
    first: Trace | None = None
    is_noisy: bool = False

    def meet_those_built_before(self) -> None:
        """Optimizers that were there when the recording began."""
        kinds = _kinds(torch.optim.Optimizer)
        for thing in [each for each in gc.get_objects() if type(each) in kinds]:
            if hasattr(thing, "param_groups"):
                self.ledger(thing, None)

    def ledger(self, optimizer: torch.optim.Optimizer, place: Site | None) -> Ledger:
        return self.ledgers.setdefault(id(optimizer), Ledger(optimizer, place))

    @property
    def trained(self) -> frozenset[int]:
        """Every parameter that an optimizer holds."""
        return frozenset().union(*(held_by(ledger.optimizer) for ledger in self.ledgers.values()))

    def passes(self, loss: Hashable, reached: Sequence[torch.Tensor], frame: FrameType | None, is_added: bool) -> None:
        """A backward pass begins; `is_added` where it adds to the gradients that are there."""
        found = frozenset(map(id, reached))
        for ledger in self.ledgers.values():
            if is_added:
                ledger.before_backward(found)
        if not any(isinstance(event, Passed) for event in self.events):
            free = [parameter for parameter in reached if id(parameter) not in self.trained]
            self.kept = {id(parameter): (parameter, parameter.detach().clone()) for parameter in free}
        self.events.append(Passed(site_of_frame(frame), loss, found))

    def passed(self) -> None:
        """A backward pass has ended."""
        for ledger in self.ledgers.values():
            ledger.after_backward()

    def steps(self, optimizer: torch.optim.Optimizer, frame: FrameType | None) -> None:
        gradients = self.ledger(optimizer, None).before_step()
        self.events.append(Stepped(site_of_frame(frame), id(optimizer), gradients))

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        self.ledger(optimizer, None).after_step()

    def clips(self, parameters: Iterable[torch.Tensor], frame: FrameType | None) -> None:
        self.events.append(Clipped(site_of_frame(frame), frozenset(map(id, parameters))))

    def loop(self, is_whole: bool) -> Loop:
        """What was seen, as a value; `is_whole` where it was seen from the beginning."""
        trainers = [
            Trainer(number, type(each.optimizer).__name__, held_by(each.optimizer), each.place)
            for number, each in self.ledgers.items()
        ]
        first = self.first or Trace()
        unmoved = frozenset(name for name, (now, before) in self.kept.items() if torch.equal(now.detach(), before))
        return Loop(
            tuple(self.events),
            tuple(self.minibatches),
            tuple(trainers),
            dict(self.names),
            unmoved,
            dict(self.arrays),
            first,
            self.is_noisy or any(plain(op.name) in RANDOM and op.kwargs.get("training", True) for op in first.ops),
            any(tensor.dtype in HALVES for tensor in first.tensors),
            is_whole,
        )


def _kinds(kind: type) -> set[type]:
    """A class and all that inherit from it."""
    return {kind}.union(*map(_kinds, kind.__subclasses__()))


def held_by(optimizer: torch.optim.Optimizer) -> frozenset[int]:
    return frozenset(id(parameter) for group in optimizer.param_groups for parameter in group["params"])


def own_frame(frame: FrameType | None) -> FrameType | None:
    """The target's own frame: outside torch and, where there is such a one, outside installed libraries."""
    while frame is not None and frame.f_code.co_filename.startswith((*TORCH_FOLDERS, OWN_FOLDER)):
        frame = frame.f_back
    outer = frame
    while outer is not None and _is_others(outer.f_code.co_filename):
        outer = outer.f_back
    return outer or frame


def _is_others(file: str) -> bool:
    return file.startswith(OTHERS) or not INSTALLED.isdisjoint(Path(file).parts)


def site_of_frame(frame: FrameType | None) -> Site | None:
    """Where the target made the call."""
    found = own_frame(frame)
    return site_of(found.f_code, found.f_lasti) if found is not None else None
