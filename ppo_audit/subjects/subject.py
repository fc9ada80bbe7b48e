"""The subject: a target made measurable. Rules see rows, roles, terms and the profile, never how it is called."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ppo_audit.errors import RAISED_BY_A_TARGET, NotApplicable, TargetRaised, UsageError
from ppo_audit.recording.graph import Roles, dependencies
from ppo_audit.recording.loop import Loop
from ppo_audit.recording.parting import mixing
from ppo_audit.recording.terms import Part, split
from ppo_audit.recording.trace import Op, OpKey
from ppo_audit.subjects.batch import Batch, Layout, ordinary_rows
from ppo_audit.subjects.families import family
from ppo_audit.subjects.run import Evaluate, Interventions, Run
from ppo_audit.subjects.strata import stratum
from ppo_audit.targets.pieces import WHOLE
from ppo_audit.targets.resolve import culprit, describe
from ppo_audit.thresholds import LIMITS, TOLERANCES

if TYPE_CHECKING:
    from ppo_audit.findings import Location
    from ppo_audit.probes.leaks import Leak
    from ppo_audit.subjects.anatomy import Anatomy
    from ppo_audit.subjects.direct import Direct
    from ppo_audit.subjects.profile import Profile

FINE = 16
"""Points of a fine grid for each of a coarse one: two rules on both sides of the clip then judge 100,000 cases."""


@dataclass(frozen=True)
class Subject:
    """A measurable target. `roles` says how each role is passed; `available` are the roles a batch may set."""

    target: str
    kind: str
    evaluate: Evaluate
    roles: Mapping[str, str]
    available: frozenset[str]
    layout: Layout = field(default_factory=Layout)
    scalars: Mapping[str, float] = field(default_factory=dict)
    held: Mapping[str, float] = field(default_factory=dict)
    log_prob_sign: int = 1
    dtype: torch.dtype = torch.float64
    computes_in: torch.dtype = torch.float64
    declared_dtype: torch.dtype | None = None
    capacity: int | None = None
    cuts: Mapping[str, OpKey] = field(default_factory=dict)
    interventions: Interventions = field(default_factory=dict)
    origins: Mapping[str, Op] = field(default_factory=dict, repr=False)
    count: Counter[str] = field(default_factory=Counter)
    remembered: Mapping[str, tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, repr=False)
    seed: int = 0
    loop: Loop | None = field(default=None, repr=False)
    not_covered: tuple[str, ...] = ()
    is_at_old_policy: bool = False
    is_ratio_given: bool = False
    piece: str = WHOLE
    finest: int = FINE
    limits: Mapping[str, float] = field(default_factory=lambda: LIMITS, repr=False)
    tolerances: Mapping[str, float] = field(default_factory=lambda: TOLERANCES, repr=False)

    @functools.cached_property
    def anatomy(self) -> Anatomy:
        """What the recording of one ordinary batch shows."""
        from ppo_audit.subjects.anatomy import dissect

        return dissect(self)

    @functools.cached_property
    def profile(self) -> Profile:
        """What this subject was measured to compute."""
        from ppo_audit.subjects.profile import measure

        return measure(self)

    @functools.cached_property
    def scale(self) -> float:
        """How much one row counts in the policy term, in units of a mean; cheaper than the whole profile."""
        from ppo_audit.subjects.profile import scale_of

        return scale_of(self)

    @property
    def settings(self) -> Mapping[str, float]:
        """Scalars by role: those that a call passes, and those that the target holds and no call can change."""
        return {**self.held, **self.scalars}

    @property
    def tolerance(self) -> float:
        """Relative, by the dtype that the target computes in."""
        return max(self.tolerances[str(dtype).removeprefix("torch.")] for dtype in (self.dtype, self.computes_in))

    def repaired(self, interventions: Interventions) -> Subject:
        """The same subject with some of its calls replaced; its profile is measured anew."""
        return dataclasses.replace(self, interventions={**self.interventions, **interventions})

    @functools.cached_property
    def fineness(self) -> int:
        """How many points a grid may have for each one that a rule cannot do without.

        More than one where further rows cost neither operations nor more memory than their own: no loop over rows, no
        table of all pairs, no number of rows fixed by a recording. Repairs are tried by the dozen, on coarse grids.
        """
        if self.capacity is not None or self.interventions or self.finest == 1:
            return 1
        few, many = (self.run(self.rows(self.whole_groups(rows))).trace for rows in (8, 32))
        elements = [sum(tensor.numel() for tensor in trace.tensors) for trace in (few, many)]
        return self.finest if len(few.ops) == len(many.ops) and elements[1] <= 4 * elements[0] else 1

    def rows(self, count: int, seed: int | None = None, /, **roles: torch.Tensor | float) -> Batch:
        """An ordinary batch of `count` rows, with `roles` given as rows (count,) or (count, K)."""
        if self.capacity not in (None, count):
            raise NotApplicable(self._fixed_rows())
        batch = ordinary_rows(self.layout, self.available, count, self.seed if seed is None else seed)
        for role, values in roles.items():
            if role not in self.available and role != "effective_advantage" and role not in self.scalars:
                raise NotApplicable(f"the target takes no `{role}`")
            batch[role] = self.layout.lay(role, values) if isinstance(values, torch.Tensor) else values
        return batch

    def run(self, batch: Batch, dtype: torch.dtype | None = None) -> Run:
        """Evaluate on a batch whose log-probs are true log-probs, whatever sign the target takes them in."""
        self.count["evaluations"] += 1
        self.count["cases"] += max(
            (len(v) for v in batch.values() if isinstance(v, torch.Tensor) and v.dim()), default=1
        )
        self.count[stratum(batch, dtype or self.dtype)] += 1
        cuts = {**self.cuts, **self.anatomy.cuts} if "effective_advantage" in batch else self.cuts
        try:
            run = self.evaluate(self._signed(batch), dtype or self.dtype, cuts, self.interventions)
            return run if cuts is self.cuts else self._made_at_once(run)
        except NotApplicable:
            raise
        except UsageError as error:
            raise NotApplicable(str(error)) from error
        except RAISED_BY_A_TARGET as error:
            raise self._blamed(error) from error

    def _made_at_once(self, run: Run) -> Run:
        """The run itself, unless a loop goes on writing advantages behind the place where they were put."""
        key = self.anatomy.cuts["effective_advantage"]
        later = key._replace(occurrence=key.occurrence + 1)
        if self.capacity is None and (
            "effective_advantage" not in run.numbers or any(op.key == later for op in run.trace.ops)
        ):
            raise NotApplicable(ONE_BY_ONE)
        return run

    def parts(self, run: Run) -> list[Part]:
        """The summands of the loss, each of one family."""
        return split(run.trace, run.total, self.roles_of(run), family, frozenset(run.numbers.values()))

    def roles_of(self, run: Run) -> Mapping[int, Roles]:
        return dependencies(run.trace, run.numbers)

    def term(self, name: str) -> Term:
        """One term of the loss by family; raises NotApplicable where the loss has none or it cannot be isolated."""
        if name not in self.anatomy.families:
            raise NotApplicable(f"the loss has no {name} term that can be told apart")
        return Term(self, name)

    def needs(self, names: Sequence[str]) -> str | None:
        """Why a rule with these needs does not apply; None where it does."""
        return next((reason for name in names if (reason := self._missing(name))), None)

    def policy(self, log_ratio: torch.Tensor, advantage: torch.Tensor, **settings: float) -> torch.Tensor:
        """Gradient of the policy term by each log-prob, times the number of rows it is averaged over, shape (M,).

        `advantage` is the effective one, after any normalisation; log-ratios are taken from an old log-prob of -1.5.
        """
        given = self.at(log_ratio, advantage)
        if not given.keys() & {"advantage", "effective_advantage"} and "reward" in self.available:
            raise NotApplicable("the loss makes its credit of rewards and log-probs: no advantage can be set")
        return self.term("policy").gradient("log_prob", **given, **settings)

    def policy_losses(self, log_ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
        """The policy term of each sample alone, (M,); the advantage is the effective one."""
        return self.term("policy").row_values(**self.at(log_ratio, advantage))

    def ratios(self, log_ratio: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        """The ratio that the loss forms for each row, (M,), as recorded."""
        run = self.run(self.rows(len(old), **self.at(log_ratio, torch.ones_like(old), old)))
        made = {op.key: op.outputs[0] for op in run.trace.ops}
        return run.trace.tensors[made[self.anatomy.sites["ratio"].key]].detach().double().reshape(len(old), -1)[:, 0]

    def at(
        self, log_ratio: torch.Tensor, advantage: torch.Tensor, old: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """The roles that put samples at these log-ratios and effective advantages, as far as the target takes them."""
        old = torch.full_like(log_ratio, -1.5) if old is None else old
        given = {
            "old_log_prob": old,
            "log_prob": old + log_ratio,
            "advantage": advantage,
            "effective_advantage": advantage,
        }
        if self.anatomy.is_around_reference:
            given["ref_log_prob"] = old
        known = self.available | self.anatomy.cuts.keys()
        return {role: rows for role, rows in given.items() if role in known}

    @property
    def in_float32(self) -> Subject:
        """The same subject in single precision, as trainers run it."""
        return self.given_in(torch.float32)

    def given_in(self, dtype: torch.dtype) -> Subject:
        """The same subject with its floating-point inputs in another dtype."""
        return dataclasses.replace(self, dtype=dtype)

    def value_losses(self, value: torch.Tensor, old_value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """The value term of each sample alone, (M,); the quantiles of a quantile critic all lie at the value."""
        return self.term("value").row_values(value=value, old_value=old_value, return_=target)

    def entropy_gradient(self) -> torch.Tensor:
        """d loss / d entropy of each of 8 samples, in sign at least: by way of the spread where there is no entropy."""
        role = next(role for role in ("entropy", "log_std", "std", "logits") if role in self.available)
        run = self.run(self.rows(self.capacity or 8))
        gradient = gradient_of(self.term("entropy").scalar(run), run.leaves[role])
        if role == "logits":
            leaf = run.leaves["logits"].detach()
            log_p = leaf.log_softmax(-1)
            gradient = -gradient * log_p.exp() * (log_p - (log_p.exp() * log_p).sum(-1, keepdim=True))
        return self.layout.gather(role, gradient)

    def normalised(self, advantage: torch.Tensor, **roles: torch.Tensor) -> torch.Tensor:
        """The effective advantage that the loss makes of given ones, (N,); itself where it makes nothing of them."""
        key = self.anatomy.cuts.get("effective_advantage")
        run = self.run(self.rows(len(advantage), advantage=advantage, **roles))
        made = [op.outputs[0] for op in run.trace.ops if op.key == key]
        return run.trace.tensors[made[-1]].detach().reshape(-1).double() if made else advantage

    def made_of_rewards(self, reward: torch.Tensor, **roles: torch.Tensor) -> torch.Tensor:
        """The effective advantage of each row, (M,), that the loss makes of rewards."""
        key = self.anatomy.cuts["effective_advantage"]
        run = self.run(self.rows(len(reward), reward=reward, **roles))
        made = [run.trace.tensors[op.outputs[0]] for op in run.trace.ops if op.key == key]
        if not made:
            raise NotApplicable(ONE_BY_ONE)
        return made[-1].detach().double().reshape(len(reward), -1)[:, 0]

    def whole_groups(self, rows: int) -> int:
        """Enough rows for whole groups, where the target takes rewards and cuts them into groups of its own size."""
        return rows if "reward" not in self.available else 8 * math.ceil(rows / 8)

    def _fixed_rows(self) -> str:
        readers = ", ".join(self.anatomy.guards)
        why = f": the target reads it at {readers}, and may then decide otherwise" if readers else ""
        return f"{ABSENT['free_rows']}{why}"

    def leaks(self) -> list[Leak]:
        """Gradients that leave by paths on which the loss should hold its operand constant."""
        from ppo_audit.probes.leaks import leaks

        return leaks(self, self.run(self.rows(self.capacity or 8)))

    @functools.cached_property
    def direct(self) -> Direct:
        """The target as its caller calls it: whole batches, nothing that it computes replaced."""
        from ppo_audit.subjects.direct import Direct

        return Direct(dataclasses.replace(self, cuts={}, available=self.available - set(self.cuts)))

    def coupling(self, first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> Location | None:
        """Where rows that are given alike in both come to differ: the call that mixes them with the others."""
        rows = self.capacity or self.whole_groups(_rows(first))
        one, two = (
            {role: _padded(values, 0, rows, rows) for role, values in given.items()} for given in (first, second)
        )
        alike = torch.stack([torch.eq(one[role], two[role]) for role in one]).all(0)  # type: ignore[arg-type]
        mixed = lambda a, b: a.dim() == 0 or len(a) != rows or torch.equal(a[alike], b[alike])
        runs = self.run(self.rows(rows, **one)), self.run(self.rows(rows, **two))
        return self.direct.place(mixing(runs[0].trace, runs[1].trace, (runs[0].total, runs[1].total), mixed, rows))

    def _blamed(self, error: BaseException) -> BaseException:
        """What the target's own code raised, as such; anything else is this tool's, and stays what it is."""
        from ppo_audit.locate.source import location_of

        site = culprit(error) if self.kind != "trainer" else None
        return TargetRaised(describe(error), location_of(site)) if site else error

    def _missing(self, name: str) -> str | None:
        if name == "policy" and self.anatomy.is_filtered:
            return "an entropy or a rank among all samples decides which of them count: none can be judged by itself"
        if name == "policy" and self.anatomy.is_split:
            return "rows are of two kinds by their place in the batch: no row says what another one would do there"
        if name == "direct_call":  # told before anything is measured: these rules judge whether it can be
            return None if self.kind != "trainer" else ABSENT[name]
        if name == "ratio" and self.is_ratio_given:
            return "the target is given the ratio: how it is formed is not to be seen"
        if name == "loop":
            return None if self.loop is not None else ABSENT[name]
        if name in self.anatomy.families or name in self.profile.claims:
            return None
        if name.removeprefix("role:") in self.available or name.removeprefix("role:") in self.settings:
            return None
        return ABSENT.get(name, f"the target takes no `{name.removeprefix('role:')}`")

    def _signed(self, batch: Batch) -> Batch:
        if self.log_prob_sign > 0:
            return batch
        return {role: -value if role.endswith("log_prob") else value for role, value in batch.items()}


ONE_BY_ONE = "the loss makes its advantages one by one, in other operations for other numbers of rows"
ABSENT = {
    "controller": "the target adapts no coefficient or step to a KL",
    "policy": "the loss has no policy term that can be told apart",
    "value": "the loss has no value term",
    "entropy": "the loss has no entropy term",
    "kl": "the loss has no KL term",
    "cloning": "the loss has no behaviour-cloning term",
    "hard_clip": "the target neither takes a clip range nor clips the ratio",
    "ratio": "the loss has no probability ratio",
    "normalisation": "the loss does not normalise advantages",
    "value_clip": "the target does not clip the value",
    "half_precision": "the loss does no half-precision arithmetic",
    "quantiles": "the critic is not a quantile critic",
    "scalar_critic": "the critic is a quantile or categorical one",
    "direct_call": "the target is a recording; it is not called again",
    "loop": "the loop of the trainer is judged with its loss that has a ratio",
    "free_rows": "the number of rows is fixed by the recording",
    "two_distributions": "the parameters of the old and new distributions are not at hand",
    "cut_log_prob": "the target takes log-probs that are already joint",
}


@dataclass(frozen=True)
class Term:
    """One term of a subject's loss, measured row by row."""

    subject: Subject
    name: str

    def gradient(self, wrt: str, **roles: torch.Tensor | float) -> torch.Tensor:
        """d term / d `wrt` for each row, times the rows that a mean is taken over; rows beyond capacity in chunks."""
        rows = max((len(values) for values in roles.values() if isinstance(values, torch.Tensor)), default=0)
        if not rows:
            raise NotApplicable("the target takes neither log-probs nor advantages that could be set")
        size = self.subject.capacity or rows
        chunks = [self._chunk(wrt, start, min(start + size, rows), size, roles) for start in range(0, rows, size)]
        return torch.cat(chunks)

    def value(self, **roles: torch.Tensor | float) -> float:
        """The scaled value of the term on these rows."""
        rows = _rows(roles)
        return float(self.scalar(self.subject.run(self.subject.rows(rows, **roles))).detach())

    def row_values(self, **roles: torch.Tensor | float) -> torch.Tensor:
        """The term of each row alone, (M,): from the recording where it has a value per row, else row by row."""
        recorded = self._recorded_rows(roles) if self.subject.capacity is None else None
        return self._row_by_row(roles) if recorded is None else recorded

    def _recorded_rows(self, roles: Mapping[str, torch.Tensor | float]) -> torch.Tensor | None:
        """What the loss adds up for each row, where all elements of a row's part of the term count alike."""
        rows = _rows(roles)
        run = self.subject.run(self.subject.rows(rows, **roles))
        parts = [part for part in self.subject.parts(run) if part.family in self.subject.anatomy.families[self.name]]
        if not parts or not all(self._is_by_row(run, part, rows) for part in parts):
            return None
        atoms = [run.trace.tensors[part.atom].detach().double().cpu().reshape(rows, -1).mean(1) for part in parts]
        return torch.stack([atom * self._of_a_row(run, part) for atom, part in zip(atoms, parts, strict=True)]).sum(0)

    def _is_by_row(self, run: Run, part: Part, rows: int) -> bool:
        """Whether the part has one element a row, or a mean of as many for each."""
        atom = run.trace.tensors[part.atom]
        if atom.numel() == rows:
            return True
        if atom.dim() < 2 or len(atom) != rows or self.subject.anatomy.reduction == "sum":
            return False
        ones = torch.ones_like(atom).requires_grad_()
        weights = gradient_of(part.unscaled(ones).sum(), ones)
        return bool((weights == weights.reshape(-1)[0]).all())

    def _of_a_row(self, run: Run, part: Part) -> float:
        """What a row's atom counts for by itself: a sum over rows divided by their number in Python is a mean too."""
        if self.subject.anatomy.reduction == "sum":
            return part.probe
        return part.probe * float(part.unscaled(torch.ones_like(run.trace.tensors[part.atom])).sum())

    def _row_by_row(self, roles: Mapping[str, torch.Tensor | float]) -> torch.Tensor:
        """Batches that hold nothing but copies of one row."""
        rows, copies = _rows(roles), self.subject.capacity or 1
        repeat = lambda values, row: (
            values[row : row + 1].expand(copies, *values.shape[1:]) if isinstance(values, torch.Tensor) else values
        )
        singles = [{role: repeat(values, row) for role, values in roles.items()} for row in range(rows)]
        return torch.tensor([self.value(**single) for single in singles], dtype=torch.float64)

    def scalar(self, run: Run) -> torch.Tensor:
        """The term of a run, with its coefficient; one with coefficient zero is taken unscaled."""
        parts = [part for part in self.subject.parts(run) if part.family in self.subject.anatomy.families[self.name]]
        if not parts:
            raise NotApplicable(f"the loss has no {self.name} term on this batch")
        values = [part.unscaled(run.trace.tensors[part.atom]).sum() * part.probe for part in parts]
        return torch.stack(values).sum()

    def _chunk(
        self, wrt: str, start: int, stop: int, size: int, roles: Mapping[str, torch.Tensor | float]
    ) -> torch.Tensor:
        count = size if self.subject.capacity else self.subject.whole_groups(stop - start)
        padded = {role: _padded(values, start, stop, count) for role, values in roles.items()}
        run = self.subject.run(self.subject.rows(count, **padded))
        if wrt not in run.leaves:
            raise NotApplicable(f"the loss computes no `{wrt}` that could be told apart")
        gradient = gradient_of(self.scalar(run), run.leaves[wrt])
        rows = gradient if gradient.dim() > 1 and wrt == "value" else self.subject.layout.gather(wrt, gradient)
        sign = self.subject.log_prob_sign if wrt.endswith("log_prob") else 1
        return rows[: stop - start] * sign * (count if self.subject.anatomy.reduction == "mean" else 1)


def gradient_of(scalar: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    """The gradient by a leaf; zeros where the term does not use it, since a missing gradient is zero."""
    if not scalar.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad(scalar, [leaf], allow_unused=True, retain_graph=True)
    return torch.zeros_like(leaf) if gradient is None else gradient.detach()


def _rows(roles: Mapping[str, torch.Tensor | float]) -> int:
    return max((len(values) for values in roles.values() if isinstance(values, torch.Tensor)), default=8)


def _padded(values: torch.Tensor | float, start: int, stop: int, size: int) -> torch.Tensor | float:
    """The rows from start to stop, the last one repeated up to `size`."""
    if not isinstance(values, torch.Tensor):
        return values
    part = values[start:stop]
    return part if len(part) == size else torch.cat([part, part[-1:].expand(size - len(part), *part.shape[1:])])
