"""A called subject: a function whose roles, layout, sign convention and intermediates are found by trying it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NoGradient, UsageError
from ppo_audit.recording.graph import Roles, dependencies, plain
from ppo_audit.recording.parting import outer_products
from ppo_audit.recording.trace import Op, OpKey, Trace
from ppo_audit.settings import Settings
from ppo_audit.subjects.batch import ACTION_DIMENSIONS, LOG_PROBS, QUANTILES, Batch, Layout, ordinary_rows
from ppo_audit.subjects.boundary import log_ratios, policy_cuts
from ppo_audit.subjects.families import PAST, REFERENCE
from ppo_audit.subjects.offered import offered_modes
from ppo_audit.subjects.run import Cuts, Evaluate, Interventions, Run, call_under_recorder, modes_kept
from ppo_audit.subjects.subject import Subject
from ppo_audit.targets.calling import Bag, Call, bind, label, unknown_name
from ppo_audit.targets.held import held_settings
from ppo_audit.targets.names import DEFAULT_VALUES, is_scalar, role_of, settle
from ppo_audit.targets.pieces import COMPLETED, DIMENSION, OBJECTIVE, RATIO, is_called_objective, kept_alive
from ppo_audit.targets.resolve import describe

LOSS_ROLES = frozenset(("log_prob", "mean", "logits", "old_log_prob"))
PAIRS = frozenset("log_prob mean log_std std logits".split()) | PAST | REFERENCE
"""What a divergence of two policies is made of."""
TRIAL_ROWS = 8
AGENTS = 3
MASKS = ((torch.float64, True), (torch.bool, True), (torch.bool, False), (torch.int64, True), (torch.float64, False))


Adapt = Callable[[Evaluate, Run], tuple[Evaluate, Run]]


def as_it_is(evaluate: Evaluate, run: Run) -> tuple[Evaluate, Run]:
    """The target's own evaluation."""
    return evaluate, run


def called_subject(target: str, function: Callable[..., Any], settings: Settings, adapt: Adapt = as_it_is) -> Subject:
    """Make a callable measurable; raises UsageError where it cannot be called or its roles are unclear.

    A clip range or coefficient that is None by default stays None, unless nothing runs without it.
    """
    try:
        return _subject(target, function, settings, adapt)
    except UsageError:
        for given in _left_open(function, dict(settings.values)):
            with contextlib.suppress(UsageError):
                return _subject(
                    target, function, dataclasses.replace(settings, values=(*settings.values, given)), adapt
                )
        raise


def _left_open(function: Callable[..., Any], values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The scalar roles that are None by default, each with its usual value."""
    for name, parameter in inspect.signature(function).parameters.items():
        role = role_of(name)
        if parameter.default is None and role in DEFAULT_VALUES and name not in values:
            yield name, DEFAULT_VALUES[role]


def _subject(target: str, function: Callable[..., Any], settings: Settings, adapt: Adapt) -> Subject:
    values = dict(settings.values)
    call, asked = bound(function, settings)
    available = frozenset(role for role in asked.values() if not is_scalar(role))
    if not available:
        raise UsageError(
            f"`{label(function)}` takes nothing that plays a role in PPO; expected log-probs and advantages, or "
            f"rewards, values and dones. Name the roles with `--role log_prob=...`."
        )
    evaluate, (layout, run) = _evaluation(call, settings.device, asked, available)
    spare = _spare_masks(function, values)
    if spare and spreads(run):
        fewer = dataclasses.replace(settings, values=(*settings.values, *dict.fromkeys(spare).items()))
        return _subject(target, function, fewer, adapt)
    evaluate, run = adapt(evaluate, run)
    scalars = {
        role: float(call.scalar(role, name.rpartition(".")[2])) for name, role in asked.items() if is_scalar(role)
    }
    subject = Subject(
        target,
        _kind(available),
        evaluate,
        _described(asked, values),
        available,
        layout.single(),
        scalars,
        held_settings(function),
        seed=settings.seed,
    )
    declared = _declared_dtype(values)
    subject = dataclasses.replace(subject, computes_in=_dtype(run.trace), declared_dtype=declared)
    if subject.kind == "loss" and _is_explained_variance(subject):
        subject = dataclasses.replace(subject, kind="metric")
    return _oriented(_with_cuts(subject, run))


def _spare_masks(function: Callable[..., Any], values: Mapping[str, Any]) -> list[str]:
    """Masks beside the first that may be left out: one of sequences does not have the shape of one of tokens."""
    parameters = inspect.signature(function).parameters.items()
    masks = [(name, parameter) for name, parameter in parameters if role_of(name) == "mask"]
    return [name for name, parameter in masks[1:] if parameter.default is None and name not in values]


def bound(function: Callable[..., Any], settings: Settings) -> tuple[Call, dict[str, str]]:
    """How a callable is called, and the role of every name that it takes or asks for."""
    roles, values = dict(settings.roles), dict(settings.values)
    asked = settle(_ask(bind(function, roles, values)))
    return bind(function, {**{role: name for name, role in asked.items()}, **roles}, values), asked


def called_variants(
    target: str, function: Callable[..., Any], settings: Settings, ratio: str | None = None
) -> list[tuple[str, Subject]]:
    """The subject as the target's defaults make it, and one more for each mode that is offered, off, and can be had.

    `ratio` names the parameter that takes the ratio, where the function is of log-probs only because it was wrapped.
    """
    variants = [("default", _whole(target, function, settings, ratio))]
    for mode in offered_modes(function, dict(settings.values)):
        on = dataclasses.replace(settings, values=(*settings.values, *mode.values.items()))
        with contextlib.suppress(UsageError):
            variants.append((mode.name, _whole(target, mode.function, on, ratio)))
    return variants


def _whole(target: str, function: Callable[..., Any], settings: Settings, ratio: str | None) -> Subject:
    """The subject of a function; a ratio by itself is given credit, and an objective its sign."""
    subject = _live(target, function, settings)
    if _is_ratio(subject):
        return dataclasses.replace(called_subject(target, COMPLETED[RATIO](function), settings), piece=RATIO)
    if subject.kind == "entropy" and _is_by_dimension(subject):
        return dataclasses.replace(called_subject(target, COMPLETED[DIMENSION](function), settings), piece=DIMENSION)
    if is_called_objective(function, is_clipped="clip_range" in subject.scalars) and _climbs(subject):
        read = called_subject(target, COMPLETED[OBJECTIVE](function), settings)
        note = f"{read.roles['log_prob']} (of an objective, by its name and sign: its negative is the loss)"
        subject = dataclasses.replace(read, roles={**read.roles, "log_prob": note}, piece=OBJECTIVE)
    if ratio is None:
        return subject
    given = dict.fromkeys(("log_prob", "old_log_prob"), f"through `{ratio}`")
    roles = {role: text.replace(f"`{role}`", given.get(role, text)) for role, text in subject.roles.items()}
    return dataclasses.replace(subject, roles=roles, is_ratio_given=True)


def _live(target: str, function: Callable[..., Any], settings: Settings) -> Subject:
    """The subject of a function; a policy loss whose gradient is lost is given one of zero, and judged all the same."""
    try:
        return called_subject(target, function, settings)
    except NoGradient:
        given = {binding.role for binding in bind(function, dict(settings.roles), dict(settings.values)).bindings}
        if not {"log_prob", "advantage"} <= given:
            raise
        return called_subject(target, kept_alive(function), settings)


def _is_ratio(subject: Subject) -> bool:
    """Whether a function of two log-probs gives 1 for each row where they agree, as no divergence does."""
    if subject.kind != "kl" or subject.available - {"mask"} != {"log_prob", "old_log_prob"}:
        return False
    batch = subject.rows(TRIAL_ROWS)
    returned = subject.run({**batch, "log_prob": batch["old_log_prob"]}).outputs
    return any(len(rows) == TRIAL_ROWS and bool((rows == 1).all()) for rows in returned.values() if rows.dim())


def _is_by_dimension(subject: Subject) -> bool:
    """Whether a function of spreads returns a number for each of them."""
    run = subject.run(subject.rows(TRIAL_ROWS))
    spreads = {run.leaves[role].shape for role in ("log_std", "std") if role in run.leaves}
    return len(run.outputs) == 1 and {tensor.shape for tensor in run.outputs.values()} == spreads


def _climbs(subject: Subject) -> bool:
    """Whether what a function returns rises with the log-probs of what has an advantage, at ratio 1."""
    if not {"log_prob", "advantage"} <= subject.available:
        return False
    batch = subject.rows(TRIAL_ROWS)
    run = subject.run(batch | ({"log_prob": batch["old_log_prob"]} if "old_log_prob" in batch else {}))
    (slope,) = torch.autograd.grad(run.loss, [run.leaves["log_prob"]], allow_unused=True)
    advantage = run.leaves["advantage"].detach()
    return slope is not None and bool(
        (slope.reshape(TRIAL_ROWS, -1).sum(1) * advantage.reshape(TRIAL_ROWS, -1)[:, 0]).sum() > 0
    )


def _ask(call: Call) -> dict[str, str]:
    """Name of every parameter and container entry that plays a role; containers are asked by calling the target."""
    asked = {binding.name: binding.role for binding in call.bindings if binding.role}
    if not any(binding.container for binding in call.bindings):
        return asked
    for layout in _layouts(frozenset(ROLES_TO_TRY), {}):
        noted: dict[str, str] = {}
        batch = ordinary_rows(layout, ROLES_TO_TRY, TRIAL_ROWS)
        try:
            args, kwargs = call.arguments(batch, noted)
            with modes_kept():
                call.function(*args, **kwargs)
        except UsageError:
            raise
        except RAISED_BY_A_TARGET:
            continue
        return asked | noted
    return asked | noted


HEADS = re.compile(r"head|dim|component|branch|joint|multi|per_action")
ROW_ROLES = (*LOG_PROBS, "advantage", "value", "old_value", "return_", "entropy")
ROLES_TO_TRY = frozenset(
    "log_prob old_log_prob ref_log_prob advantage value old_value return_ entropy mask group".split()
)


def _layouts(available: frozenset[str], asked: Mapping[str, str]) -> Iterator[Layout]:
    """Layouts to try, the likeliest first: tokens where there is a mask, flat rows else, then columns and mixtures."""
    names = " ".join(asked)
    discrete = bool(available & {"logits", "old_logits"})
    critics = {role: (QUANTILES,) for name, role in asked.items() if "quantile" in name}
    token = Layout("tokens", (4,), {})
    per_sequence = Layout("tokens, one advantage per sequence", (4,), {"advantage": (), "reward": ()})
    per_response = Layout("tokens, one entropy per sequence", (4,), {**per_sequence.tails, "entropy": ()})
    column_advantage = Layout("tokens, advantages in a column", (4,), {"advantage": (1,), "reward": (1,)})
    flat = Layout("flat", (), critics, discrete)
    samples = [
        Layout("targets in samples", (), critics | {"return_": (n,)}, discrete) for n in (QUANTILES, 1) if critics
    ]
    column = Layout("columns", (1,), {}, discrete)
    heads = Layout("log-probs by dimension", (), dict.fromkeys((*LOG_PROBS, "entropy"), (ACTION_DIMENSIONS,)))
    bare_heads = dataclasses.replace(heads, tails={k: v for k, v in heads.tails.items() if k != "entropy"})
    value_column = Layout("values in a column", (), dict.fromkeys(("value", "old_value"), (1,)), discrete)
    beside = Layout("columns beside parameters", (), dict.fromkeys(ROW_ROLES + ("action",) * discrete, (1,)), discrete)
    column_action = Layout("actions in a column", (), {"action": (1,)}, discrete)
    fresh = Layout(
        "what the policy gives in columns", (), dict.fromkeys(("log_prob", "value", "entropy"), (1,)), discrete
    )
    of_agents = dataclasses.replace(
        column, name="columns, advantages of several agents", tails={"advantage": (AGENTS, 1)}
    )
    tokens = (token, per_sequence, *([per_response] if "entropy" in available else []), column_advantage)
    by_head = (heads, bare_heads)
    ordered = (*tokens, flat, column, value_column, *by_head)
    if "mask" not in available:
        computed = (beside, *[column_action] * discrete) if available & {"mean", "logits"} else ()
        # A second axis of given log-probs is one of tokens, unless their names speak of heads or dimensions.
        second = (*by_head, *tokens) if HEADS.search(names) or computed else (*tokens, *by_head)
        ordered = (flat, *samples, column, value_column, *computed, *second, fresh, of_agents)
    for dtype, keeps in MASKS if "mask" in available else MASKS[:1]:
        for layout in ordered:
            yield dataclasses.replace(layout, mask_dtype=dtype, mask_keeps=keeps)


def _evaluation(
    call: Call, device: str, asked: Mapping[str, str], available: frozenset[str]
) -> tuple[Evaluate, tuple[Layout, Run]]:
    """How the target is evaluated, and its layout: in double precision, or in single where it takes no other."""
    evaluate: Evaluate = functools.partial(call_under_recorder, call, device)
    try:
        return evaluate, _layout(evaluate, call, asked, available)
    except UsageError:
        single: Evaluate = functools.partial(_in_single, evaluate)
        with contextlib.suppress(UsageError):
            return single, _layout(single, call, asked, available)
        raise


def _in_single(evaluate: Evaluate, batch: Batch, dtype: torch.dtype, cuts: Cuts, interventions: Interventions) -> Run:
    """An evaluation that never gives double precision: some losses assert that they are given float32."""
    return evaluate(batch, torch.float32 if dtype == torch.float64 else dtype, cuts, interventions)


def _layout(evaluate: Evaluate, call: Call, asked: Mapping[str, str], available: frozenset[str]) -> tuple[Layout, Run]:
    """The first layout on which the target runs and every row counts for itself; else the first with a ratio a row."""
    works: list[tuple[Layout, Run]] = []
    errors: dict[str, None] = {}
    for layout in _layouts(available, asked):
        try:
            run = evaluate(ordinary_rows(layout, available, TRIAL_ROWS), torch.float64, {}, {})
        except UsageError:
            raise
        except RAISED_BY_A_TARGET as error:
            errors[describe(error)] = None
            continue
        works.append((layout, run))
        if _fits(layout, run) and _reaches_every_row(run):
            return works[-1]
    if not works:
        _ask_for_tensors(call, errors)
        own = (error for error in errors if error.startswith(UNDEFINED))
        raise UsageError(  # a missing name is none of the layout's; else the one seen last got furthest
            f"`{label(call.function)}` raises on every layout of an ordinary batch, such as "
            f"{next(own, [*errors][-1])}. If it needs other inputs, give them with `--inputs yourmodule:make_args`."
        )
    return next((each for each in works if _fits(*each) and _has_a_ratio_a_row(each[1])), works[0])


def _ask_for_tensors(call: Call, errors: Iterable[str]) -> None:
    """Ask for the role of what sounds like a container and is calculated with."""
    held = [binding.name for binding in call.bindings if binding.container is Bag]
    if held and any(f"'{Bag.__name__}'" in error for error in errors):
        raise unknown_name(held[0], call)


UNDEFINED = ("NameError", "ImportError", "ModuleNotFoundError")


def _fits(layout: Layout, run: Run) -> bool:
    """Whether the target runs on a layout as on one that it was written for."""
    mixes = spreads(run) or _sums_dimensions(run) or _averages_rows(run)
    return not mixes and not (layout.name == "columns" and _makes_columns(run))


def spreads(run: Run) -> bool:
    """Whether the target pairs every row with every other on this layout: (N,) against (N, 1)."""
    return any(True for _ in outer_products(run.trace, dependencies(run.trace, run.numbers)))


def _sums_dimensions(run: Run) -> bool:
    """Whether credited samples are summed into a column before the mask: its axis is not one of tokens."""
    roles = dependencies(run.trace, run.numbers)
    return any(_masks_a_column(run.trace, roles, op) for op in run.trace.ops if plain(op.name) == "sum")


def _masks_a_column(trace: Trace, roles: Mapping[int, Roles], total: Op) -> bool:
    """Whether a sum over the last axis, kept as a column, is of unmasked credit and then multiplied by a wider mask."""
    given, made = (trace.tensors[number].shape for number in (total.inputs[0], total.outputs[0]))
    of = roles.get(total.inputs[0], frozenset())
    if not {"log_prob", "advantage"} <= of or "mask" in of or not given or made != (*given[:-1], 1):
        return False
    products = (op for op in trace.ops if plain(op.name) == "mul" and trace.tensors[op.outputs[0]].shape != made)
    return any({of, frozenset(("mask",))} <= {roles.get(number) for number in op.inputs} for op in products)


def _averages_rows(run: Run) -> bool:
    """Whether credit is averaged over the last axis but one, and that is the rows': it is the axis of agents."""
    roles = dependencies(run.trace, run.numbers)
    means = (op for op in run.trace.ops if plain(op.name) in ("mean", "sum") and op.inputs and -2 in _axes(op))
    return any(
        "advantage" in roles.get(op.inputs[0], ()) and run.trace.tensors[op.inputs[0]].dim() == 2 for op in means
    )


def _axes(op: Op) -> tuple[object, ...]:
    """The axes that a reduction names."""
    named = op.kwargs.get("dim", op.kwargs.get("axis", op.args[1] if len(op.args) > 1 else ()))
    return tuple(named) if isinstance(named, tuple | list) else (named,)


def _makes_columns(run: Run) -> bool:
    """Whether the target reshapes a column into a column: nobody writes that, so it expects flat tensors."""
    given = set(run.numbers.values())
    reshapes = [op for op in run.trace.ops if plain(op.name) in ("view", "reshape") and given.intersection(op.inputs)]
    return any(run.trace.tensors[op.inputs[0]].shape == run.trace.tensors[op.outputs[0]].shape for op in reshapes)


def _reaches_every_row(run: Run) -> bool:
    """Whether each row's log-prob has a gradient of its own; where none of them has one, each row's value."""
    if "log_prob" not in run.leaves:
        return True
    live = (_by_row(run, role) for role in ("log_prob", "value", "entropy") if role in run.leaves)
    found = next((rows for rows in live if bool(rows.any())), None)
    return _has_a_ratio_a_row(run) and found is not None and bool(found.all())


def _by_row(run: Run, role: str) -> torch.Tensor:
    """Which rows of a role have a gradient, (N,)."""
    leaf = run.leaves[role]
    (gradient,) = torch.autograd.grad(run.loss, [leaf], allow_unused=True, retain_graph=True)
    gradient = torch.zeros_like(leaf) if gradient is None else gradient
    return ((gradient != 0) & gradient.isfinite()).reshape(len(leaf), -1).any(dim=1)


def _has_a_ratio_a_row(run: Run) -> bool:
    """Whether there is a ratio per row at least, not one for the whole batch."""
    leaf = run.leaves.get("log_prob")
    ratios = [op for op, _, _ in log_ratios(run.trace.ops, dependencies(run.trace, run.numbers))]
    return leaf is None or all(run.trace.tensors[op.outputs[0]].numel() >= len(leaf) for op in ratios)


def _kind(available: frozenset[str]) -> str:
    given = available - {"mask"}
    if given <= PAIRS and given & (PAST | REFERENCE):
        return "kl"
    if given <= frozenset(("mean", "log_std", "std", "logits")):
        return "entropy"
    if available & LOSS_ROLES or {"value", "return_"} <= available:
        return "loss"
    return "returns" if "reward" in available and "value" in available else "unknown"


def _is_explained_variance(subject: Subject) -> bool:
    """Whether predictions that hit every target give one, whatever their scale: of a loss they give none."""
    if subject.available - {"mask"} != {"value", "return_"}:
        return False
    target = torch.linspace(-1.0, 2.0, TRIAL_ROWS, dtype=torch.float64)
    hits = [float(subject.run(subject.rows(TRIAL_ROWS, value=t, return_=t)).loss) for t in (target, 3 * target)]
    return all(abs(hit - 1) < 1e-3 for hit in hits)


def _dtype(trace: Trace) -> torch.dtype:
    """The narrowest floating-point dtype that the target computes in, given float64."""
    found = [tensor.dtype for tensor in trace.tensors if tensor.is_floating_point() and tensor.dim() > 0]
    return min(found, key=lambda dtype: torch.finfo(dtype).bits, default=torch.float64)


def _declared_dtype(values: Mapping[str, Any]) -> torch.dtype | None:
    """The dtype of the inputs where the user sets one, as `--set dtype=bfloat16`."""
    name = values.get("dtype")
    dtype = getattr(torch, str(name), None)
    if name is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UsageError(
            f"--set dtype: `{name}` is no floating-point dtype of torch; expected bfloat16, float16, float32 or "
            f"float64."
        )
    return dtype


def _described(asked: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, str]:
    """How each role is passed: by which names, and with which value where the user set one."""
    described: dict[str, str] = {}
    for name, role in asked.items():
        text = f"`{name}`" + (f" = {values[name]}" if name in values else "")
        described[role] = f"{described[role]}, {text}" if role in described else text
    return described


def _with_cuts(subject: Subject, run: Run) -> Subject:
    """Intermediates that play a role which the target is not given: log-probs and entropy that it computes itself."""
    roles = dependencies(run.trace, run.numbers)
    cuts = policy_cuts(run.trace, run.total, roles, subject.available)
    described = dict(subject.roles)
    for op in run.trace.ops:
        for role, key in cuts.items():
            if op.key == key and op.site:
                described[role] = f"computed at line {op.site.line}"
    layout = dataclasses.replace(subject.layout, tails={**subject.layout.tails, **_tails(subject, run, cuts)})
    return dataclasses.replace(
        subject, cuts=cuts, roles=described, available=subject.available | set(cuts), layout=layout
    )


def _tails(subject: Subject, run: Run, cuts: Mapping[str, OpKey]) -> dict[str, tuple[int, ...]]:
    """The trailing shape of intermediates that hold a number for each action dimension."""
    made = {role: op.outputs[0] for op in run.trace.ops for role, key in cuts.items() if op.key == key}
    shapes = {role: tuple(run.trace.tensors[number].shape) for role, number in made.items()}
    flat = not subject.layout.tail
    return {role: shape[1:] for role, shape in shapes.items() if flat and shape[:1] == (TRIAL_ROWS,) and len(shape) > 1}


def _oriented(subject: Subject) -> Subject:
    """Negative log-probs are told by the ratio: raising the new one lowers it."""
    if "log_prob" not in subject.available or "log_prob" in subject.cuts:
        return subject
    run = subject.run(subject.rows(TRIAL_ROWS))
    leaf = run.leaves["log_prob"]
    roles = subject.roles_of(run)
    for exponential, _, _ in log_ratios(run.trace.ops, roles):
        if roles[exponential.outputs[0]] & REFERENCE:
            continue
        ratio = run.trace.tensors[exponential.outputs[0]]
        if not ratio.requires_grad:
            continue
        (slope,) = torch.autograd.grad(ratio.sum(), [leaf], allow_unused=True, retain_graph=True)
        if slope is not None and bool((slope < 0).all()):
            note = dict(subject.roles)
            note["log_prob"] += " (negative log-probs, told by the ratio)"
            return dataclasses.replace(subject, log_prob_sign=-1, roles=note)
        break
    named = subject.roles["log_prob"].strip("`")
    if "neg" in named.lower() and role_of(named.rpartition(".")[2]) == "log_prob":
        return dataclasses.replace(subject, log_prob_sign=-1)
    return subject


__all__ = ["Bag", "called_subject", "spreads"]
