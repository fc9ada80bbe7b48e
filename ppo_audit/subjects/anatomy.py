"""The anatomy of a loss, as its recording shows it: terms, effective advantage, clamps, the site of each quantity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ppo_audit.locate.source import display
from ppo_audit.recording.graph import NONE, Roles, backward_slice, clamp_bounds, number_of, operands, plain, producers
from ppo_audit.recording.terms import ADDITIONS, CLAMPS, Part
from ppo_audit.recording.trace import NUMBER_READS, SHAPE_READS, Op, OpKey, Read
from ppo_audit.subjects.boundary import effective_advantage, log_ratios
from ppo_audit.subjects.run import Run

if TYPE_CHECKING:
    from ppo_audit.subjects.subject import Subject

CHOICES = frozenset("minimum maximum min max fmin fmax where".split())
STATISTICS = frozenset(
    "mean std var std_mean var_mean sum nanmean amax amin max min median nanmedian norm quantile".split()
)
REORDERINGS = frozenset("roll flip flipud fliplr rot90 sort repeat tile".split())
RANKS = frozenset("topk sort argsort msort kthvalue quantile nanquantile median nanmedian".split())
PICKS = frozenset("getitem gather index_select take_along_dim".split())
SPREADS = frozenset("std var std_mean var_mean".split())
CREDIT = ("advantage", "return_", "value", "reward")


@dataclass(frozen=True)
class Anatomy:
    """What one recording shows. `sites` names the operation of each quantity; `families` the parts of each term."""

    families: Mapping[str, frozenset[str]]
    coefficients: Mapping[str, float]
    reduction: str
    sites: Mapping[str, Op] = field(repr=False)
    cuts: Mapping[str, OpKey] = field(default_factory=dict)
    clip_bounds: tuple[float | None, float | None] = (None, None)
    has_ratio: bool = False
    is_weight_detached: bool = False
    is_on_policy: bool = False
    is_filtered: bool = False
    is_split: bool = False
    is_around_reference: bool = False
    clips_log_ratio: bool = False
    compares_surrogates: bool = False
    guards: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()

    @property
    def advantage_role(self) -> str:
        """The role that rules set as advantage: the effective one where the loss transforms it."""
        return "effective_advantage" if "effective_advantage" in self.cuts else "advantage"


def dissect(subject: Subject) -> Anatomy:
    """Record one ordinary batch, and read the loss off the recording."""
    rows = subject.capacity or 8
    run = subject.run(subject.rows(rows))
    parts, roles = subject.parts(run), subject.roles_of(run)
    families = _families(parts)
    policy = [part for part in parts if part.family in families.get("policy", NONE)]
    ops = backward_slice(run.trace, [part.atom for part in policy], stop=run.numbers.values())
    advantage = effective_advantage(run.trace, ops, roles, CREDIT, run.numbers)
    return Anatomy(
        families,
        _coefficients(parts),
        _reduction(subject, run, parts),
        _sites(run, parts, policy, ops, roles, advantage) | _sources(subject),
        {"effective_advantage": advantage.key} if advantage else {},
        _clip_bounds(ops, roles),
        any(True for _ in log_ratios(ops, roles)),
        _is_weight_detached(run, policy, ops, roles),
        subject.is_at_old_policy or _is_on_policy(ops, roles),
        _is_filtered(policy, ops, roles),
        _is_split(ops, rows) or _is_cut_short(run),
        _is_around_reference(ops, roles),
        _clips_log_ratio(ops, roles, producers(run.trace)),
        any(_compares_surrogates(op, roles) for op in ops),
        _guards(run, roles),
        _decisions(run, roles, advantage),
    )


def _families(parts: Sequence[Part]) -> dict[str, frozenset[str]]:
    """Terms by name; without an old policy the credited log-probs are the policy term, log-probs alone an entropy."""
    found = {part.family for part in parts}
    named = {name: frozenset((name,)) for name in found}
    if "policy" not in found and "cloning" in found:
        named["policy"] = named.pop("cloning")
    return named


def _coefficients(parts: Sequence[Part]) -> dict[str, float]:
    return {part.family: part.coefficient for part in parts}


def _reduction(subject: Subject, run: Run, parts: Sequence[Part]) -> str:
    """`mean` where a row's share shrinks as rows are added, `sum` where it does not; measured on 16 times the rows.

    The share is that of rows with a gradient: of a narrow clip range most ordinary rows are outside.
    """
    role = next((role for role in ("log_prob", "value", "entropy") if role in run.leaves), None)
    if role is None or subject.capacity:
        return "mean"
    sizes = [_share(run.loss, run.leaves[role])]
    more = subject.run(subject.rows(16 * len(run.leaves[role])))
    sizes.append(_share(more.loss, more.leaves[role]))
    return "sum" if sizes[1] > 0.25 * sizes[0] else "mean"


def _share(loss: torch.Tensor, leaf: torch.Tensor) -> float:
    (gradient,) = torch.autograd.grad(loss, [leaf], allow_unused=True, retain_graph=True)
    live = torch.zeros(0) if gradient is None else gradient[gradient != 0]
    return float(live.abs().median()) if live.numel() else 0.0


def _sources(subject: Subject) -> dict[str, Op]:
    """Where the recording made a role, upstream of the boundary at which a replay is cut."""
    return {f"{role}_source": op for role, op in subject.origins.items()}


def _term_sites(run: Run, parts: Sequence[Part], policy: Sequence[Part]) -> dict[str, Op]:
    """Where each term is made, added to the total, and reduced."""
    makers = producers(run.trace)
    sites = {part.family: makers[part.atom] for part in reversed(parts) if part.atom in makers}
    sites.update(("policy", makers[part.atom]) for part in policy if part.atom in makers)
    sites |= {f"{part.family}_weight": _addition(part) for part in parts if part.ops}
    sites |= {f"{part.family}_reduction": part.ops[-1] for part in parts if part.ops}
    if run.total in makers:
        sites["total"] = makers[run.total]
    return sites


def _ratio_sites(run: Run, ops: Sequence[Op], roles: Mapping[int, Roles]) -> dict[str, Op]:
    """The ratio, the difference under it, and what clamps either."""
    makers, sites = producers(run.trace), dict[str, Op]()
    for exponential, first, second in log_ratios(ops, roles):
        sites.setdefault("ratio", exponential)  # the first is the ratio itself, a later one its clipped copy
        sites.update(("log_ratio", op) for op in ops if first in op.inputs and second in op.inputs)
    exponentials = [exponential for exponential, _, _ in log_ratios(ops, roles)]
    sizes = [run.trace.tensors[op.outputs[0]].numel() for op in exponentials]
    sites.update(("ratio_by_dimension", op) for op, size in zip(exponentials, sizes, strict=True) if size > sizes[0])
    guards = [op for op in ops if exponentials and all(_precedes(op, each, makers) for each in exponentials)]
    sites.update(("log_ratio_clamp", op) for op in guards)
    sites.update(("clip", op) for op in ops if _clamps_ratio(op, roles) and op not in guards)
    return sites


def _sites(
    run: Run,
    parts: Sequence[Part],
    policy: Sequence[Part],
    ops: Sequence[Op],
    roles: Mapping[int, Roles],
    advantage: Op | None,
) -> dict[str, Op]:
    """The operation that makes each named quantity; later names may be missing where the loss has no such thing."""
    sites = _term_sites(run, parts, policy) | _ratio_sites(run, ops, roles)
    sites.update(
        ("surrogate", op) for op in ops if _chooses(op, roles) and "log_prob" in roles.get(op.outputs[0], NONE)
    )
    sites.update(("bound", op) for op in ops if plain(op.name) == "where" and _condition(op, roles) & frozenset(CREDIT))
    sites.update(("reordering", op) for op in ops if plain(op.name) in REORDERINGS and _is_credit(op, roles))
    raw = _signed_copies(run.numbers.get("advantage"), run.trace.ops)
    sites.update(
        ("raw_branch", op) for op in ops if raw & {*op.inputs} and "log_prob" in roles.get(op.outputs[0], NONE)
    )
    if advantage is not None:
        sites["effective_advantage"] = advantage
        sites |= dict(_statistics(run, roles, advantage))
    value = [
        op
        for part in parts
        if part.family == "value"
        for op in backward_slice(run.trace, [part.atom], run.numbers.values())
    ]
    sites.update(("value_spread", op) for op in value if _normalises(op, roles))
    sites.update(("policy_spread", op) for op in ops if advantage is None and _normalises(op, roles))
    sites.update(_value_clipping(run, value, roles))
    sites.update(("entropy_source", op) for op in _first_call(run.trace.ops, "entropy"))
    cloning = [part.atom for part in parts if part.family == "cloning"]
    sites.update(
        ("cloning_weights", op) for op in _weights(backward_slice(run.trace, cloning, run.numbers.values()), roles)
    )
    return sites


def _value_clipping(run: Run, value: Sequence[Op], roles: Mapping[int, Roles]) -> Iterator[tuple[str, Op]]:
    """What clips the value, chooses between the errors, takes the clipped prediction; of one name the last counts."""
    of_value = [op for op in value if "value" in roles.get(op.outputs[0], NONE)]
    yield from (("value_clip", op) for op in of_value if plain(op.name) in CLAMPS)
    yield from (("value_choice", op) for op in of_value if plain(op.name) in CHOICES)
    clipped = [op for op in value if _is_clipped_value(op, run, roles)]
    yield from (("quantile_clip", op) for op in clipped)
    yield from (("clipped_error", op) for op in value if clipped and {*clipped[-1].outputs} & {*op.inputs})


def _normalises(op: Op, roles: Mapping[int, Roles]) -> bool:
    """Whether the operation is a spread, or a softmax, of credit or values: what is divided by it couples all rows."""
    found = roles.get(op.outputs[0], NONE)
    return (
        plain(op.name) in SPREADS | {"norm", "sqrt", "rsqrt", "softmax"}
        and bool(found & frozenset(CREDIT))
        and "log_prob" not in found
    )


def _is_credit(op: Op, roles: Mapping[int, Roles]) -> bool:
    found = roles.get(op.outputs[0], NONE)
    return bool(found & frozenset(CREDIT)) and "log_prob" not in found


def _chooses(op: Op, roles: Mapping[int, Roles]) -> bool:
    """Whether the operation chooses between values: a `where` under a mask only selects samples."""
    return plain(op.name) in CHOICES and (plain(op.name) != "where" or bool(_condition(op, roles) - {"mask"}))


def _compares_surrogates(op: Op, roles: Mapping[int, Roles]) -> bool:
    """Whether the operation takes the smaller, or the larger, of two products of a ratio and an advantage."""
    wanted = {"log_prob", "old_log_prob"}
    both = [n for n in operands(op)[:2] if n is not None and wanted <= roles.get(n, NONE) and roles[n] & {*CREDIT}]
    return plain(op.name) in CHOICES - {"where"} and len(both) == 2


def _condition(op: Op, roles: Mapping[int, Roles]) -> Roles:
    """The roles that decide a `where`."""
    return roles.get(op.inputs[0], NONE) if op.inputs else NONE


def _signed_copies(given: int | None, ops: Sequence[Op]) -> frozenset[int]:
    """The advantage as it was given, and the same with its sign or shape changed."""
    copies = set() if given is None else {given}
    for op in ops:
        if (
            op.inputs
            and op.inputs[0] in copies
            and plain(op.name) in ("neg", "negative", "unsqueeze", "view", "reshape")
        ):
            copies.update(op.outputs)
    return frozenset(copies)


def _addition(part: Part) -> Op:
    """Where a term joins the others: the addition nearest to it, else the last thing done to it."""
    return next((op for op in reversed(part.ops) if plain(op.name) in ADDITIONS), part.ops[0])


def _is_clipped_value(op: Op, run: Run, roles: Mapping[int, Roles]) -> bool:
    """Whether the operation makes predictions, as many as were given, of the new and the old ones alone."""
    found = roles.get(op.outputs[0], NONE)
    size = run.leaves["value"].numel() if "value" in run.leaves else 0
    return (
        {"value", "old_value"} <= found and "return_" not in found and run.trace.tensors[op.outputs[0]].numel() == size
    )


def _first_call(ops: Sequence[Op], method: str) -> list[Op]:
    """The operations of the first call of a distribution's method."""
    calls = [op for op in ops if op.via == method]
    return [op for op in calls if op.site == calls[0].site]


def _weights(ops: Sequence[Op], roles: Mapping[int, Roles]) -> list[Op]:
    """What makes the weights of a cloning term from advantages: the exponential where there is one."""
    of_credit = [
        op
        for op in ops
        if roles.get(op.outputs[0], NONE) & frozenset(CREDIT) and "log_prob" not in roles[op.outputs[0]]
    ]
    return [op for op in of_credit if plain(op.name) in ("exp", "softmax")] or of_credit


def _statistics(run: Run, roles: Mapping[int, Roles], advantage: Op) -> Iterator[tuple[str, Op]]:
    """The statistics on the way to the effective advantage: that is where it is normalised."""
    for op in backward_slice(run.trace, advantage.outputs[:1], run.numbers.values()):
        if plain(op.name) in STATISTICS and roles.get(op.outputs[0], NONE) & frozenset(CREDIT):
            yield "normalisation", advantage
            yield ("spread" if plain(op.name) in SPREADS else "centre"), op


def _clamps_ratio(op: Op, roles: Mapping[int, Roles]) -> bool:
    return plain(op.name) in CLAMPS and "log_prob" in roles.get(op.outputs[0], NONE) and _has_numbers(op)


def _has_numbers(op: Op) -> bool:
    return any(number_of(bound) is not None for bound in (*op.args[1:], *op.kwargs.values()))


def _precedes(op: Op, exponential: Op, makers: Mapping[int, Op]) -> bool:
    """Whether a clamp stands between the difference of log-probs and its exponential."""
    if plain(op.name) not in CLAMPS:
        return False
    number = exponential.inputs[0]
    while number in makers and makers[number].inputs:
        if makers[number] is op:
            return True
        number = makers[number].inputs[0]
    return False


def _clip_bounds(ops: Sequence[Op], roles: Mapping[int, Roles]) -> tuple[float | None, float | None]:
    """The bounds of the recorded clamp of the ratio, which the code claims whatever it then makes of it."""
    for op in ops:
        low, high = clamp_bounds(op) if _clamps_ratio(op, roles) else (None, None)
        if (low is None or 0 <= low < 1) and (high is not None and 1 < high < 10):
            return low, high
    return None, None


def _is_weight_detached(run: Run, policy: Sequence[Part], ops: Sequence[Op], roles: Mapping[int, Roles]) -> bool:
    """Whether the ratio is a constant weight for autograd while log-probs carry the gradient (CISPO and its kin)."""
    exponentials = [exponential for exponential, _, _ in log_ratios(ops, roles)]
    if not exponentials or "log_prob" not in run.leaves:
        return False
    scalar = torch.stack([part.unscaled(run.trace.tensors[part.atom]).sum() for part in policy]).sum()
    ratios = [run.trace.tensors[op.outputs[0]] for op in exponentials]
    live = [ratio for ratio in ratios if ratio.requires_grad]
    if not scalar.requires_grad:
        return False
    (by_log_prob,) = torch.autograd.grad(scalar, [run.leaves["log_prob"]], allow_unused=True, retain_graph=True)
    if by_log_prob is None or not bool(by_log_prob.abs().sum() > 0):
        return False
    through = torch.autograd.grad(scalar, live, allow_unused=True, retain_graph=True) if live else ()
    return all(gradient is None or not bool(gradient.abs().sum() > 0) for gradient in through)


def _clips_log_ratio(ops: Sequence[Op], roles: Mapping[int, Roles], makers: Mapping[int, Op]) -> bool:
    """Whether a clamp with plain bounds acts before an exponential: a clip in log space, or a guard."""
    exponentials = [exponential for exponential, _, _ in log_ratios(ops, roles)]
    return any(_clamps_ratio(op, roles) and _precedes(op, each, makers) for op in ops for each in exponentials)


def _is_filtered(policy: Sequence[Part], ops: Sequence[Op], roles: Mapping[int, Roles]) -> bool:
    """Whether a statistic of all samples' policies decides which of them count, and how: an entropy, or a rank."""
    by_entropy = any("entropy" in roles.get(part.atom, NONE) or _selects_by_entropy(part, roles) for part in policy)
    ranked = [op for op in ops if plain(op.name) in RANKS]
    places = {number for op in ranked for number in op.outputs[1:]}
    chosen = (op for op in ops if plain(op.name) in PICKS and places.intersection(op.inputs[1:]))
    of_policies = any("log_prob" in roles.get(op.outputs[0], NONE) for op in (*ranked, *chosen))
    return by_entropy or of_policies


def _is_split(ops: Sequence[Op], rows: int) -> bool:
    """Whether the rows are of two kinds by their place: all before one position, and all from it on."""
    slices = [
        (op.inputs[0], op.args[1].indices(rows))
        for op in ops
        if plain(op.name) == "getitem" and isinstance(op.args[1], slice) and op.args[1] != slice(None)
    ]
    heads = {(number, stop) for number, (start, stop, _) in slices if start == 0}
    tails = {(number, start) for number, (start, stop, _) in slices if stop == rows}
    return bool(heads & tails)


def _is_cut_short(run: Run) -> bool:
    """Whether log-probs and credit are given with a step that only bootstraps, and all of them are cut alike."""
    given = [run.numbers[role] for role in ("log_prob", *CREDIT) if role in run.numbers]
    users = [[op for op in run.trace.ops if number in op.inputs] for number in given]
    cuts = [op.args[1] if plain(op.name) == "getitem" else None for ops in users for op in ops]
    return len(given) > 1 and all(cut == slice(None, -1) for cut in cuts) and all(users)


def _selects_by_entropy(part: Part, roles: Mapping[int, Roles]) -> bool:
    """Whether a mask between the term and the loss is made of entropies."""
    path = {part.atom, *(number for op in part.ops for number in op.outputs)}
    factors = [op for op in part.ops if plain(op.name) not in ADDITIONS]
    beside = (number for op in factors for number in op.inputs if number not in path)
    return any("entropy" in roles.get(number, NONE) for number in beside)


def _is_on_policy(ops: Sequence[Op], roles: Mapping[int, Roles]) -> bool:
    """Whether every ratio is formed from the new log-prob and its own detached copy."""
    pairs = [(first, second) for _, first, second in log_ratios(ops, roles)]
    return bool(pairs) and all(roles.get(first) == roles.get(second) for first, second in pairs)


def _is_around_reference(ops: Sequence[Op], roles: Mapping[int, Roles]) -> bool:
    """Whether a ratio of the policy term is to what is called a reference: a proximal policy, or the old one itself."""
    pair = (frozenset(("log_prob",)), frozenset(("ref_log_prob",)))
    return any((roles.get(first), roles.get(second)) == pair for _, first, second in log_ratios(ops, roles))


def _guards(run: Run, roles: Mapping[int, Roles]) -> tuple[str, ...]:
    """Reads of an advantage's size by the target's own code: a Python decision that leaves no operation behind."""
    return _read_of_credit(run, roles, lambda read: read.name in SHAPE_READS)


def _decisions(run: Run, roles: Mapping[int, Roles], advantage: Op | None) -> tuple[str, ...]:
    """Reads of a number of the advantages before the loss takes them: a spread that is looked at before it divides."""
    places = [index for index, op in enumerate(run.trace.ops) if advantage is not None and op.key == advantage.key]
    last = max(places, default=-1)
    return _read_of_credit(run, roles, lambda read: read.name in NUMBER_READS and read.at <= last)


def _read_of_credit(run: Run, roles: Mapping[int, Roles], fits: Callable[[Read], bool]) -> tuple[str, ...]:
    own = [read for read in run.trace.reads if fits(read) and roles.get(read.value, NONE) & frozenset(CREDIT)]
    return tuple(dict.fromkeys(f"{display(read.site.file)}:{read.site.line}" for read in own if read.site))
