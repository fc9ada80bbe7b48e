"""Generated faults: every operator at every place of every correct loss, a seeded sample of them, and their proof.

A mutant differs from its base in one line. Before anything is audited it is run beside its base on random and on
extreme batches, with default and with other settings. Equal in value and in every gradient everywhere: equivalent, and
left out with the number of cases and the largest difference. Raising everywhere: stillborn, and left out as well.
"""

import ast
import random
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import torch

from . import calls
from .catalogue import CORRECT, Correct
from .operators import DESIGNS, FAULTS, Operator
from .quantities import View, view

SEED = 20240917
FAULTS_EACH = 8
DESIGNS_EACH = 6
"""At most so many mutants of one operator, of as many bases as there are."""

RANDOM = tuple(
    calls.Regime(f"random {seed}", seed=seed, samples=n, tokens=3, spread=spread, settings=settings)
    for seed, n, spread, settings in (
        (100, 8, 0.35, True), (101, 16, 0.35, False), (102, 8, 1.2, True), (103, 16, 1.2, False),
        (104, 24, 2.5, True), (105, 4, 0.7, False), (106, 4, 0.7, True), (107, 32, 0.2, False),
    )
)  # fmt: skip
"""Beside the extreme regimes of `calls`: ratios near and far, both signs of the advantage, small batches."""


@dataclass(frozen=True)
class Mutant:
    """One edit: `old` at a line (from 1) and column of the base is replaced by `new`."""

    base: str
    operator: str
    is_fault: bool
    owners: tuple[str, ...]
    line: int
    column: int
    old: str
    new: str

    @property
    def name(self) -> str:
        return f"{self.base}:{self.line}:{self.column} {self.operator}"


@dataclass(frozen=True)
class Proof:
    """What the comparison with the base has shown: `differs`, `equivalent` or `stillborn`.

    `largest` is the largest difference that is a number; nothing where the mutant gave none.
    """

    verdict: str
    cases: int
    largest: float | None


def every() -> list[Mutant]:
    """All mutants that the operators allow, in the order of the corpus."""
    found = [mutant for base in CORRECT for mutant in _of(base)]
    return list({(each.base, source_of(each)): each for each in reversed(found)}.values())[::-1]


def sample() -> list[Mutant]:
    """A seeded sample: of every operator a few, of different bases before two of the same."""
    draw = random.Random(SEED)
    chosen: list[Mutant] = []
    everything = every()
    for name in dict.fromkeys(operator.name for operator in (*FAULTS, *DESIGNS)):
        mine = [each for each in everything if each.operator == name]
        draw.shuffle(mine)
        turns = {each: sum(other.base == each.base for other in mine[:place]) for place, each in enumerate(mine)}
        mine.sort(key=turns.__getitem__)
        chosen += mine[: FAULTS_EACH if mine and mine[0].is_fault else DESIGNS_EACH]
    return sorted(chosen, key=lambda each: each.name)


def source_of(mutant: Mutant) -> str:
    """The text of the mutant's file."""
    lines = _text(mutant.base).splitlines(keepends=True)
    line, end = lines[mutant.line - 1], mutant.column + len(mutant.old)
    assert line[mutant.column : end] == mutant.old, f"{mutant.name}: the base has changed; generate anew"
    lines[mutant.line - 1] = line[: mutant.column] + mutant.new + line[end:]
    return "".join(lines)


def write(mutant: Mutant, folder: Path) -> Path:
    """The mutant's file, under the name of its base."""
    path = folder / f"{mutant.base}.py"
    path.write_text(source_of(mutant))
    return path


def prove(mutant: Mutant) -> Proof:
    """The mutant beside its base, on all batches."""
    regimes = [
        r for r in (*calls.REGIMES, *RANDOM) if max(r.samples // 2, 1) % calls.CALLS[mutant.base].group_size == 0
    ]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = calls.load(next(base.path for base in CORRECT if base.name == mutant.base))
        after = calls.load(write(mutant, Path(folder)))
        dead = all(_raises(after, mutant.base, r) for r in regimes)
        pairs = [(calls.outcome(before, mutant.base, r), calls.outcome(after, mutant.base, r)) for r in regimes]
    ran = [(old, new) for old, new in pairs if not old.error]
    if dead:
        return Proof("stillborn", len(ran), None)
    same = all(_of_loss(old).like(_of_loss(new)) for old, new in ran)
    largest = max((_apart(old, new) for old, new in ran if not new.error), default=0.0)
    return Proof("equivalent" if same else "differs", len(ran), largest)


def _raises(module: ModuleType, base: str, regime: calls.Regime) -> bool:
    """Whether the call itself raises; a loss without a gradient does not, and is a fault to be found."""
    try:
        calls.CALLS[base](module, calls.make_batch(regime), regime.settings)
    except Exception:  # whatever a mutant raises
        return True
    return False


def _of_loss(outcome: calls.Outcome) -> calls.Outcome:
    """The loss and its gradients alone: metrics beside it are no part of what is judged."""
    return replace(outcome, numbers=dict(list(outcome.numbers.items())[:1]))


def _apart(old: calls.Outcome, new: calls.Outcome) -> float:
    """The largest absolute difference of value and gradients, over numbers that are finite."""
    old, new = _of_loss(old), _of_loss(new)
    pairs = [(x, part[name]) for part, base in ((new.numbers, old.numbers), (new.gradients, old.gradients))
             for name, x in base.items() if name in part and part[name].shape == x.shape]  # fmt: skip
    gaps = [torch.nan_to_num((x.double() - y.double()).abs(), nan=0.0, posinf=0.0) for x, y in pairs]
    return max((float(gap.max()) for gap in gaps if gap.numel()), default=0.0)


def _text(base: str) -> str:
    return next(each.path for each in CORRECT if each.name == base).read_text()


def _of(base: Correct) -> Iterator[Mutant]:
    text = base.path.read_text()
    seen = view(text, calls.CALLS[base.name].fields)
    for node in ast.walk(seen.tree):
        if isinstance(node, ast.expr) and node.lineno == node.end_lineno:
            for operator in (*FAULTS, *DESIGNS):
                yield from _at(base.name, node, operator, seen)


def _at(base: str, node: ast.expr, operator: Operator, seen: View) -> Iterator[Mutant]:
    new = operator.edit(node, seen)
    old = seen.segment(node)
    if new is None or new == old:
        return
    mutant = Mutant(base, operator.name, operator.is_fault, operator.owners, node.lineno, node.col_offset, old, new)
    try:
        compile(source_of(mutant), base, "exec")
    except SyntaxError:
        return
    yield mutant
