"""Where a part of the loss is made, joined to the total or reduced: where a rule points without trying repairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ppo_audit.findings import Location
from ppo_audit.locate.source import location_of
from ppo_audit.recording.graph import NONE, backward_slice, operands, plain, producers
from ppo_audit.recording.terms import ADDITIONS, PRODUCTS, Part
from ppo_audit.recording.trace import SHAPE_READS, Op
from ppo_audit.subjects.run import Run
from ppo_audit.subjects.subject import Subject

REDUCTIONS = frozenset("mean sum nanmean nansum".split())
VALUE_READS = frozenset("item __float__ __int__ __index__ tolist numpy __bool__".split())


def recorded(subject: Subject) -> Run:
    """One ordinary run, for reading its recording."""
    return subject.run(subject.rows(subject.capacity or 8))


def place_of(op: Op | None) -> Location | None:
    """The source line of an operation, if it has one."""
    return location_of(op.site) if op is not None and op.site is not None else None


def recorded_site(subject: Subject, name: str) -> Location | None:
    """The source line of a named quantity."""
    return place_of(subject.anatomy.sites.get(name))


def parts_of(subject: Subject, run: Run, family: str) -> list[Part]:
    """The parts of the loss that make up one of its terms."""
    wanted = subject.anatomy.families.get(family, NONE)
    return [part for part in subject.parts(run) if part.family in wanted]


def joining(subject: Subject, family: str) -> Location | None:
    """The addition, next to a term, at which it joins the rest of the loss; the total where it joins nowhere."""
    run = recorded(subject)
    additions = [op for part in parts_of(subject, run, family) for op in part.ops if plain(op.name) in ADDITIONS]
    return place_of(additions[-1] if additions else producers(run.trace).get(run.total))


def subtracting(subject: Subject, family: str) -> Location | None:
    """Where the sign of a term is turned round on its way to the total: the last subtraction or negation before it."""
    run = recorded(subject)
    turning = ("sub", "isub", "subtract", "rsub", "neg", "negative")
    found = [op for part in parts_of(subject, run, family) for op in part.ops if plain(op.name) in turning]
    return place_of(found[-1]) if found else joining(subject, family)


def reducing(subject: Subject, family: str) -> Location | None:
    """The sum or mean over samples nearest to a term, or the call that makes and reduces it in one."""
    run = recorded(subject)
    parts, makers = parts_of(subject, run, family), producers(run.trace)
    found = [op for part in parts for op in part.ops if plain(op.name) in REDUCTIONS]
    return place_of(found[-1] if found else makers.get(parts[0].atom) if parts else None)


def estimate(subject: Subject, family: str) -> Location | None:
    """Where the quantity is made that a coefficient multiplies."""
    run = recorded(subject)
    for part in parts_of(subject, run, family):
        products = [index for index, op in enumerate(part.ops) if plain(op.name) in PRODUCTS and _by_number(op)]
        inner = part.ops[products[-1] + 1 :] if products else ()
        return place_of(inner[0] if inner else producers(run.trace).get(part.atom))
    return None


def _by_number(op: Op) -> bool:
    return None in operands(op)[:2]


def slice_of(subject: Subject, run: Run, family: str) -> list[Op]:
    """The operations from the inputs to a term of the loss, in order."""
    return backward_slice(run.trace, [part.atom for part in parts_of(subject, run, family)], stop=run.numbers.values())


def reads(run: Run, subject: Subject, roles: frozenset[str], names: frozenset[str] = SHAPE_READS) -> Iterator[Location]:
    """Where the target's own code reads a size, or a number, of something that is computed from these roles."""
    found = subject.roles_of(run)
    for read in run.trace.reads:
        if read.name in names and read.site is not None and found.get(read.value, NONE) & roles:
            yield location_of(read.site)


def last(ops: list[Op], fits: Callable[[Op], bool]) -> Op | None:
    """The last operation that fits."""
    return next((op for op in reversed(ops) if fits(op)), None)


def suspect(subject: Subject, name: str) -> Location | None:
    """Where an option may have been lost: a call that its name speaks of, a result that goes nowhere, a guard."""
    run = recorded(subject)
    ends = [run.total, *(number for out in run.outputs.values() if (number := run.trace.find(out)) is not None)]
    live = {id(op) for op in backward_slice(run.trace, ends)}
    dead = [
        op for op in run.trace.ops if id(op) not in live and op.via is None and subject.roles_of(run).get(op.outputs[0])
    ]
    words = {word for word in name.lower().split("_") if len(word) > 3}
    named = [op for op in run.trace.ops if any(word in op.name for word in words)]
    guards = [] if dead or named else list(reads(run, subject, frozenset(("advantage",))))
    return guards[0] if guards else place_of((named or dead)[-1]) if named or dead else None
