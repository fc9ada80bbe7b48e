"""The rollout that a trainer holds when it begins to learn, and whether its advantages follow from it.

For all steps but the last,  A_t - r_t + V_t = gamma V_t+1 + gamma lambda A_t+1  where nothing ended, so that gamma and
lambda need not be known: they are fitted away from all flags. At an end the right side is zero, or, after a time limit,
the value of an observation that the buffer does not hold.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.recording.graph import plain
from ppo_audit.recording.loop import Loop
from ppo_audit.recording.trace import Trace
from ppo_audit.targets.helper_names import rollout_role

EXACT = 1e-4
FEWEST = 8
"""Steps away from any flag that are needed to tell the recursion."""
ENDINGS = ("done", "terminated", "truncated")
VALUES = ("value", "old_value")


@dataclass(frozen=True)
class Buffer:
    """Rewards, values and advantages of one rollout, all (T, N), by the names under which they were found."""

    reward: torch.Tensor
    value: torch.Tensor
    advantage: torch.Tensor
    names: tuple[str, ...]
    axis: int

    @property
    def left(self) -> torch.Tensor:
        """A - r + V of every step but the last."""
        return (self.advantage - self.reward + self.value[: len(self.reward)])[:-1]

    @property
    def following(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.value[1 : len(self.reward)], self.advantage[1:]


@dataclass(frozen=True)
class Flags:
    """Flags of ends of episodes, (T, N), and whether they are known to say that a step begins one."""

    ended: torch.Tensor
    name: str
    are_starts: bool
    are_time_limits: bool


@dataclass(frozen=True)
class Ends:
    """How the advantages treat the ends that one array of flags, in one reading, marks."""

    flags: Flags
    reading: str
    crossed: torch.Tensor
    carried: torch.Tensor
    stopped: torch.Tensor

    @property
    def faults(self) -> int:
        """Ends that credit crosses. That it stops elsewhere is no fault: there may be ends that are not kept."""
        return int((self.crossed | self.carried).sum())

    @property
    def is_unusual(self) -> bool:
        """A time limit is stored with the step that it ended, other flags with either."""
        return self.flags.are_time_limits and self.reading == "start"


@dataclass(frozen=True)
class Fit:
    """A buffer whose advantages follow the recursion, with its discounts."""

    buffer: Buffer
    gamma: float
    decay: float

    def errors(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """How far the left side is from the whole right side, from its carry alone, and from nothing."""
        value, advantage = self.buffer.following
        left = self.buffer.left
        return (
            (left - self.gamma * value - self.decay * advantage).abs(),
            (left - self.decay * advantage).abs(),
            left.abs(),
        )

    @property
    def tolerance(self) -> float:
        return EXACT * (1 + float(self.buffer.left.abs().max()))


def fitted(loop: Loop) -> tuple[Fit, list[Flags]]:
    """The rollout whose advantages follow the recursion away from its flags; raises NotApplicable where none does."""
    tried = False
    for buffer in _buffers(loop):
        tried = True
        flags = list(_flags(loop, buffer))
        calm = torch.ones_like(buffer.left, dtype=torch.bool)
        for each in flags:
            calm &= ~_near(each.ended)
        fit = _fit(buffer, calm)
        if fit is not None:
            return fit, flags
    raise NotApplicable(
        "the advantages follow no recursion over the rewards and values that the trainer holds"
        if tried
        else "no rewards, values and advantages of a rollout were found by their names where the trainer learns"
    )


def ends(fit: Fit, flags: list[Flags]) -> list[Ends]:
    """Every array of flags, in every reading that it may have."""
    return [
        _ends(fit, each, reading)
        for each in flags
        for reading in ("start", "end")
        if reading == "start" or not each.are_starts
    ]


def unheeded(fit: Fit, flags: list[Flags]) -> list[Ends]:
    """The flags that credit crosses in every reading: all that mark an end, or those of time limits by themselves."""
    tried = [each for each in ends(fit, flags) if bool(each.flags.ended.any())]
    limits = [each for each in tried if each.flags.are_time_limits]
    return next((group for group in (tried, limits) if group and all(each.faults for each in group)), [])


def _ends(fit: Fit, flags: Flags, reading: str) -> Ends:
    ended = flags.ended[1:] if reading == "start" else flags.ended[:-1]
    whole, carry, nothing = (error <= fit.tolerance for error in fit.errors())
    return Ends(flags, reading, ended & whole & ~nothing, ended & carry & ~nothing & ~whole, ~ended & ~whole)


def _fit(buffer: Buffer, calm: torch.Tensor) -> Fit | None:
    """The discounts, by least squares over the calm steps; None where they do not explain every one of them."""
    value, advantage = buffer.following
    design = torch.stack([value[calm], advantage[calm]], dim=1)
    if len(design) < FEWEST or int(torch.linalg.matrix_rank(design)) < 2:
        return None
    gamma, decay = torch.linalg.lstsq(design, buffer.left[calm]).solution.tolist()
    fit = Fit(buffer, gamma, decay)
    is_plausible = 0.3 < gamma <= 1 + EXACT and -EXACT <= decay <= gamma + EXACT
    return fit if is_plausible and bool((fit.errors()[0][calm] <= fit.tolerance).all()) else None


def _near(flags: torch.Tensor) -> torch.Tensor:
    """Steps, but the last, at which some reading of a flag may see an end."""
    padded = torch.cat([flags[:1], flags, flags[-1:]])
    return (padded[:-2] | padded[1:-1] | padded[2:])[:-1]


def _buffers(loop: Loop) -> Iterator[Buffer]:
    """Rewards, values and advantages of one shape, in every combination; returns less values are advantages too."""
    found = [(rollout_role(name.rpartition(".")[2]), name, tensor) for name, tensor in loop.arrays.items()]
    numbers = [(role, name, tensor.double()) for role, name, tensor in found if role is not None]
    of = lambda *roles: [(name, tensor) for role, name, tensor in numbers if role in roles]
    for (r, reward), (v, value), (c, credit) in itertools.product(
        of("reward"), of(*VALUES), of("advantage", "return_")
    ):
        if credit.shape != reward.shape or value.shape[1:] != reward.shape[1:] or len(reward) < 3:
            continue
        if len(value) not in (len(reward), len(reward) + 1) or credit.numel() != reward.numel():
            continue
        for axis in range(2 if reward.squeeze(-1).dim() > 1 and len(value) == len(reward) else 1):
            one, two, three = (_in_time(tensor, axis) for tensor in (reward, value, credit))
            is_return = rollout_role(c.rpartition(".")[2]) == "return_"
            yield Buffer(one, two, three - two[: len(one)] if is_return else three, (r, v, c), axis)


def _in_time(tensor: torch.Tensor, axis: int) -> torch.Tensor:
    """Time first, environments second."""
    flat = tensor.squeeze(-1) if tensor.dim() > 1 else tensor
    return flat.reshape(len(flat), -1).T.contiguous() if axis else flat.reshape(len(flat), -1)


def _flags(loop: Loop, buffer: Buffer) -> Iterator[Flags]:
    """Arrays of zeros and ones of the same shape whose names speak of ends."""
    for name, tensor in loop.arrays.items():
        role = rollout_role(name.rpartition(".")[2])
        if role not in ENDINGS or tensor.dim() == 0:
            continue
        numbers = _in_time(tensor.double(), buffer.axis)
        if numbers.shape != buffer.reward.shape or not bool(((numbers == 0) | (numbers == 1)).all()):
            continue
        ended = numbers < 0.5 if float(numbers.mean()) > 0.5 else numbers > 0.5  # masks say what goes on
        yield Flags(ended, name, _begins(loop, name, buffer.names[1]), role == "truncated")


def _begins(loop: Loop, flags: str, values: str) -> bool:
    """Whether each flag was known before the network saw the step at which it is stored: it then begins an episode."""
    known, seen = _writes(loop.trace, loop.arrays[flags]), _writes(loop.trace, loop.arrays[values])
    both = [step for step in known.keys() & seen.keys() if step > 0]
    return len(both) > 1 and all(known[step] < seen[step] for step in both)


def _writes(trace: Trace, array: torch.Tensor) -> dict[int, int]:
    """Step -> the number of the value that was written there, for a buffer that is filled step by step."""
    found = {}
    for op in trace.ops:
        if plain(op.name) != "setitem" or len(op.args) < 3 or not isinstance(op.args[1], int):
            continue
        buffer, written = op.args[0], op.args[2]
        if buffer.shape == array.shape and isinstance(written, torch.Tensor) and torch.equal(buffer, array):
            found[op.args[1]] = op.inputs[-1]
    return found
