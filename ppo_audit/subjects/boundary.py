"""Finding a role among recorded intermediates: the log-prob of a policy, its entropy, the effective advantage.

Evidence is structure, the operands of the subtraction under `exp`, and landmarks, calls of `torch.distributions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from ppo_audit.recording.graph import NONE, Roles, backward_slice, dominator, operands, plain
from ppo_audit.recording.trace import Op, OpKey, Trace

BOTH = frozenset(("log_prob", "old_log_prob"))
POLICY_PARAMETERS = frozenset("mean log_std std logits".split())
OLD_PARAMETERS = frozenset("old_mean old_log_std old_std old_logits".split())
UNCHANGED = frozenset("neg negative unsqueeze squeeze view reshape".split())
"""What is done to an advantage without changing it: the sign belongs to the loss, the shape to the target."""


def _turns(op: Op) -> bool:
    """Whether the operation multiplies by a negative number, as `-1 * advantage` does."""
    numbers = [arg for arg in op.args if isinstance(arg, int | float) and not isinstance(arg, bool)]
    return plain(op.name) in ("mul", "multiply", "rmul") and any(number < 0 for number in numbers)


REDUCTIONS = frozenset(("sum", "mean", "squeeze", "view", "reshape", "flatten"))


def log_ratios(ops: Sequence[Op], roles: Mapping[int, Roles]) -> Iterator[tuple[Op, int, int]]:
    """(exp, first, second) for every `exp(... (first - second) ...)`, the log-prob of now and that of then."""
    makers = {number: op for op in ops for number in op.outputs}
    for op in ops:
        if plain(op.name) not in ("exp", "expm1", "exp2"):
            continue
        difference = _back_to_difference(op, makers, roles)
        if difference is not None:
            yield (op, *difference)


def _back_to_difference(op: Op, makers: Mapping[int, Op], roles: Mapping[int, Roles]) -> tuple[int, int] | None:
    """The operands of the nearest subtraction that the operation's one live operand comes from."""
    current: Op | None = op
    while current is not None:
        live = [number for number in dict.fromkeys(current.inputs) if roles.get(number)]
        pair = operands(current)
        if plain(current.name) in ("sub", "rsub", "subtract") and len(pair) > 1 and None not in pair[:2]:
            first, second = pair[:2]
            assert first is not None
            assert second is not None
            # Where both sides hold both log-probs, it is a weight made of ratios and none itself.
            return None if roles.get(first, NONE) & roles.get(second, NONE) >= BOTH else (first, second)
        if not live:
            return None
        current = makers.get(live[0])
    return None


def landmark(ops: Sequence[Op], method: str, allowed: Collection[str], roles: Mapping[int, Roles]) -> Op | None:
    """The last operation of the first call of a distribution's `method`, then summed over its dimensions."""
    calls = [(index, op) for index, op in enumerate(ops) if op.via == method and _fits(op, allowed, roles)]
    if not calls:
        return None
    index, last = calls[0]
    for later, op in calls[1:]:
        if op.site != last.site or later != index + 1:
            break
        index, last = later, op
    return _joined(ops, last)


def _fits(op: Op, allowed: Collection[str], roles: Mapping[int, Roles]) -> bool:
    found = roles.get(op.outputs[0], NONE)
    return bool(found) and found <= frozenset(allowed)


def _joined(ops: Sequence[Op], op: Op) -> Op:
    """Follow the reductions over trailing dimensions, as long as rows stay apart."""
    while True:
        users = [user for user in ops if op.outputs[0] in user.inputs]
        named = [user for user in users if plain(user.name) in REDUCTIONS and _keeps_rows(user)]
        if len(users) != 1 or not named:
            return op
        op = named[0]


def _keeps_rows(op: Op) -> bool:
    has_dimension = len(op.args) > 1 or "dim" in op.kwargs or "axis" in op.kwargs
    return has_dimension or plain(op.name) in ("squeeze", "flatten")


def policy_cuts(trace: Trace, total: int, roles: Mapping[int, Roles], given: Collection[str]) -> dict[str, OpKey]:
    """Intermediates that play `log_prob`, `old_log_prob` and `entropy` where the target computes them itself."""
    ops = backward_slice(trace, [total])
    makers = {number: op for op in ops for number in op.outputs}
    cuts: dict[str, OpKey] = {}
    for _, first, second in log_ratios(ops, roles):
        for number in (first, second):
            found = roles.get(number, NONE)
            role = "log_prob" if found & POLICY_PARAMETERS else "old_log_prob" if found & OLD_PARAMETERS else None
            if role and role not in given and number in makers:
                cuts.setdefault(role, makers[number].key)
    allowed = POLICY_PARAMETERS | {"action"}
    for role, method in (("log_prob", "log_prob"), ("entropy", "entropy")):
        found_op = landmark(ops, method, allowed, roles)
        if found_op is not None and role not in given:
            cuts.setdefault(role, found_op.key)
    return cuts


def effective_advantage(
    trace: Trace, ends: Sequence[Op], roles: Mapping[int, Roles], sources: Collection[str], numbers: Mapping[str, int]
) -> Op | None:
    """The operation whose output multiplies the ratio, after every normalisation: None where the input itself does.

    `ends` is the slice of the policy term; the frontier is where advantages first meet log-probs.
    """
    wanted = frozenset(sources)
    frontier = {
        number
        for op in ends
        if "log_prob" in roles.get(op.outputs[0], NONE)
        for number in op.inputs
        if roles.get(number, NONE) & wanted and "log_prob" not in roles.get(number, NONE)
    }
    starts = [numbers[source] for source in sources if source in numbers]
    if not frontier or frontier & set(starts):
        return None
    region = [op for op in ends if roles.get(op.outputs[0], NONE) & wanted and "log_prob" not in roles[op.outputs[0]]]
    makers = {op.outputs[0]: op for op in region}
    made = makers.get(dominator(trace, starts, frontier, region) or -1)
    while made is not None and (plain(made.name) in UNCHANGED or _turns(made)):
        made = makers.get(made.inputs[0])
    return made
