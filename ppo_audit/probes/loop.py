"""What rules about trainers read off a recorded loop: uses of samples, steps between them, who trains what."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.recording.graph import DRAWS, backward_slice, parameters_in, plain, producers
from ppo_audit.recording.loop import Loop, Minibatch, Passed, Stepped, first_repeat
from ppo_audit.recording.trace import Op, Trace, is_in_place
from ppo_audit.recording.watched import Watched
from ppo_audit.subjects.functionals import LAYERS
from ppo_audit.subjects.subject import Subject, gradient_of

MOVES = frozenset(
    "getitem index_select select narrow detach clone contiguous to float double cpu view reshape flatten squeeze "
    "unsqueeze stack cat concat concatenate permute transpose t T split chunk unbind data as_tensor tensor long int "
    "setitem zeros empty".split()
)
ROUNDING = 1e-3
"""Log-ratios up to this one are rounding: kernels differ with the size of a batch, and sums are long."""
NO_REUSE = "no sample came back after a step of its policy, as far as the recording reached"


def loop_of(subject: Subject) -> Loop:
    """The recorded loop; raises NotApplicable where the subject has none."""
    if subject.loop is None or not subject.loop.minibatches:
        raise NotApplicable("no minibatch of a loop was recorded")
    subject.count["cases"] += sum(len(minibatch.samples) for minibatch in subject.loop.minibatches)
    return subject.loop


def uses(loop: Loop, role: str = "log_prob") -> list[Minibatch]:
    """The minibatches of the first loss that has this role."""
    found = [minibatch for minibatch in loop.minibatches if role in minibatch.roles and minibatch.samples]
    if not found:
        raise NotApplicable("no minibatch of a loss with a ratio was recorded")
    return [minibatch for minibatch in found if minibatch.loss == found[0].loss]


def steps_before(loop: Loop, minibatch: Minibatch, role: str = "log_prob") -> int:
    """Steps, before a minibatch, of optimizers that train something which the role comes of."""
    own = _trained_by(loop, minibatch, role)
    return sum(isinstance(event, Stepped) and event.optimizer in own for event in loop.events[: minibatch.moment])


def _trained_by(loop: Loop, minibatch: Minibatch, role: str) -> set[int]:
    """The optimizers that train something which the role comes of; none where the target has one of its own making."""
    reached = minibatch.reached.get(role, frozenset())
    return {trainer.number for trainer in loop.trainers if trainer.parameters & reached}


def fresh(loop: Loop) -> Minibatch:
    """The first minibatch, which no step preceded; raises NotApplicable where one did."""
    first = uses(loop)[0]
    if steps_before(loop, first) or not loop.is_whole:
        raise NotApplicable("the policy had been trained already when its first recorded minibatch came")
    return first


def log_ratio(minibatch: Minibatch) -> torch.Tensor:
    """New less old log-prob, in the shape of the new one."""
    if "old_log_prob" not in minibatch.roles:
        raise NotApplicable("the recorded minibatches have no old log-prob")
    new, old = minibatch.roles["log_prob"], minibatch.roles["old_log_prob"]
    if new.numel() != old.numel():
        raise NotApplicable("old and new log-probs of the recorded minibatch differ in size")
    return (new.double() - old.reshape(new.shape).double()).detach()


def weighed(subject: Subject, minibatch: Minibatch) -> torch.Tensor:
    """Which entries of the log-prob count in the recorded loss where the ratio is 1: padding does not."""
    new, old = minibatch.roles["log_prob"], minibatch.roles["old_log_prob"]
    run = subject.evaluate({"log_prob": old.reshape(new.shape)}, torch.float32, {}, {})
    return gradient_of(run.loss, run.leaves["log_prob"]) != 0


def first_log_probs(subject: Subject, loop: Loop) -> tuple[torch.Tensor, torch.Tensor]:
    """New and old ones of all entries that count, before the first step: several minibatches, if they are added up.

    Of a target whose steps cannot be seen it is one minibatch.
    """
    first = fresh(loop)
    shape = first.roles["log_prob"].shape
    before = [each for each in uses(loop) if not steps_before(loop, each)]
    pairs = []
    for each in before if _trained_by(loop, first, "log_prob") else [first]:
        if each.roles["log_prob"].shape == shape:
            counts, ratio = weighed(subject, each), log_ratio(each)
            new = each.roles["log_prob"].double()
            pairs.append((new[counts], (new - ratio)[counts]))
    new, old = (torch.cat(side) for side in zip(*pairs, strict=True))
    return new, old


def drifts_of(subject: Subject, minibatch: Minibatch) -> tuple[torch.Tensor, torch.Tensor]:
    """The log-ratios of all entries, and of those that count."""
    drift = log_ratio(minibatch)
    return drift, drift[weighed(subject, minibatch)]


def slack(loop: Loop) -> float:
    """The log-ratio below which there may be rounding alone."""
    return 50 * ROUNDING if loop.is_half else ROUNDING


@dataclass(frozen=True)
class Reuse:
    """A minibatch whose samples were used before, at least one step of the policy earlier: where, and its own rows."""

    firsts: tuple[tuple[Minibatch, int], ...]
    later: Minibatch
    rows: torch.Tensor

    def of(self, role: str) -> tuple[torch.Tensor, torch.Tensor]:
        """What the role held for these samples, at first and later."""
        at_first = torch.stack([_rows(minibatch, role)[row] for minibatch, row in self.firsts])
        return at_first, _rows(self.later, role)[self.rows]

    def has(self, role: str) -> bool:
        """Whether the role has a value for each sample in both."""
        both = (self.later, *(minibatch for minibatch, _ in self.firsts))
        return all(role in each.roles and each.roles[role].numel() % len(each.samples) == 0 for each in both)


def _rows(minibatch: Minibatch, role: str) -> torch.Tensor:
    """What a role holds, a row a sample."""
    return minibatch.roles[role].detach().double().reshape(len(minibatch.samples), -1)


def reuses(loop: Loop, role: str = "log_prob") -> list[Reuse]:
    """Every later use of samples of the first epoch; raises NotApplicable where there is none.

    Samples that cannot be told apart within an epoch say nothing.
    """
    seen = uses(loop, role)
    again = first_repeat(seen)
    if again is None:
        raise NotApplicable(NO_REUSE)
    counts = Counter(sample for minibatch in seen[:again] for sample in minibatch.samples)
    firsts = {
        sample: (minibatch, row)
        for minibatch in seen[:again]
        for row, sample in enumerate(minibatch.samples)
        if counts[sample] == 1
    }
    found = [reuse for later in seen[again:] if (reuse := _reuse(loop, firsts, later, role)) is not None]
    if not found:
        raise NotApplicable(NO_REUSE)
    return found


def _reuse(loop: Loop, firsts: Mapping[bytes, tuple[Minibatch, int]], later: Minibatch, role: str) -> Reuse | None:
    steps = steps_before(loop, later, role)
    alone = {sample for sample, count in Counter(later.samples).items() if count == 1}
    rows = [
        row
        for row, sample in enumerate(later.samples)
        if sample in alone and sample in firsts and steps_before(loop, firsts[sample][0], role) < steps
    ]
    return Reuse(tuple(firsts[later.samples[row]] for row in rows), later, torch.tensor(rows)) if rows else None


def assigned_at(watched: Watched) -> Location:
    """Where a number that is held against a bound is computed."""
    return location_of(watched.place)


def selected_at(subject: Subject, role: str) -> Location | None:
    """Where a minibatch's part of a role is selected, or made."""
    op = subject.origins.get(role)
    return location_of(op.site) if op is not None and op.site is not None else None


def made_at_later(subject: Subject, role: str) -> Location | None:
    """Where what a role holds is made in the function of the update, else where a minibatch's part is selected.

    The maker deepest in the recording is often shared with the rollout, such as a method of the network.
    """
    loop = loop_of(subject)
    number, makers = _number(loop, role), producers(loop.trace)
    own = {event.place.function for event in loop.events if isinstance(event, Passed) and event.place is not None}
    found = None
    while number is not None and (op := makers.get(number)) is not None:
        if op.site is not None and op.site.function in own:
            found = op.site
        if plain(op.name) not in MOVES or not op.inputs:
            break
        number = op.inputs[0]
    return location_of(found) if found is not None else selected_at(subject, role)


def rewritten_at(loop: Loop, role: str) -> Location | None:
    """The last write in place into the memory that a role is selected from, other than by index."""
    number, makers = _number(loop, role), producers(loop.trace)
    while number is not None and (op := makers.get(number)) is not None:
        if is_in_place(op.name) and plain(op.name) != "setitem":
            return location_of(op.site) if op.site else None
        number = op.inputs[0] if op.inputs else None
    return None


def _number(loop: Loop, role: str) -> int | None:
    """The value that a role held at the first minibatch, in the recording of it."""
    tensor = uses(loop)[0].roles.get(role)
    if tensor is None:
        return None
    same = (
        number
        for number in reversed(range(len(loop.trace.tensors)))
        if loop.trace.tensors[number].shape == tensor.shape
        and loop.trace.tensors[number].dtype == tensor.dtype
        and not loop.trace.tensors[number].requires_grad
        and torch.equal(loop.trace.tensors[number], tensor)
    )
    return next(same, None)


def names_of(loop: Loop, parameters: frozenset[int]) -> list[str]:
    """Parameters by name, as far as one is known."""
    return sorted(loop.names.get(number, "a parameter without a name") for number in parameters)


def ends(loop: Loop) -> tuple[int | None, int | None]:
    """The log-prob of the first minibatch, and what the network gave where the old one was made."""
    first = uses(loop)[0]
    old = _number(loop, "old_log_prob")
    makers = producers(loop.trace)
    live = [n for n in range(len(loop.trace.tensors)) if loop.trace.tensors[n].requires_grad]
    new = next((n for n in reversed(live) if _is(loop.trace, n, first.roles["log_prob"])), None)
    while old is not None and old in makers and plain(makers[old].name) in MOVES and makers[old].inputs:
        op = makers[old]
        old = op.inputs[-1] if plain(op.name) == "setitem" else op.inputs[0]
    return new, old


def sides(loop: Loop) -> tuple[list[Op], list[Op]]:
    """What is computed between network and log-prob, in the update and where the old log-prob was made."""
    new, old = ends(loop)
    return (_head_side(loop.trace, new), _head_side(loop.trace, old))


def _is(trace: Trace, number: int, tensor: torch.Tensor) -> bool:
    mine = trace.tensors[number].detach()
    return mine.shape == tensor.shape and torch.equal(mine, tensor)


def _head_side(trace: Trace, number: int | None) -> list[Op]:
    """The operations from the network's last layers, and from the draw of the action, to a value."""
    if number is None:
        return []
    drawn = [n for op in trace.ops if plain(op.name) in LAYERS | DRAWS for n in op.outputs]
    ops = backward_slice(trace, [number], stop=[*drawn, *parameters_in(trace)])
    return [op for op in ops if plain(op.name) not in MOVES]


def odd_one_out(loop: Loop) -> Location | None:
    """The operation that only one of the two log-probs goes through, with its numbers: the likely cause."""
    new, old = sides(loop)
    if not new or not old:
        return None
    words = [[_word(op) for op in side] for side in (new, old)]
    for tag, a, b, c, d in difflib.SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        sites = [op.site for op in (*new[a:b], *old[c:d]) if tag != "equal" and op.site is not None]
        if sites:
            return location_of(sites[-1])
    return None


def _word(op: Op) -> str:
    numbers = [arg for arg in (*op.args, *op.kwargs.values()) if isinstance(arg, int | float)]
    return f"{plain(op.name)} {numbers}"


def come_of(loop: Loop, role: str) -> frozenset[int]:
    """Every parameter that a role was seen to come of, in any loss."""
    return frozenset().union(*(minibatch.reached.get(role, frozenset()) for minibatch in loop.minibatches))


def trained(loop: Loop) -> frozenset[int]:
    """What optimizers hold that were seen to step."""
    stepping = {event.optimizer for event in loop.events if isinstance(event, Stepped)}
    if not stepping:
        return frozenset()
    return frozenset().union(*(trainer.parameters for trainer in loop.trainers))


def built_at(loop: Loop) -> Location | None:
    """Where the optimizer is built."""
    site = next((trainer.place for trainer in loop.trainers if trainer.place is not None), None)
    return location_of(site) if site is not None else None
