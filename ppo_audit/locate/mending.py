"""The line of a fault in a helper: its source is edited in one place at a time; what cures proves the place."""

from __future__ import annotations

import ast
import copy
import difflib
import functools
import inspect
import itertools
import linecache
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ppo_audit.errors import NotApplicable
from ppo_audit.findings import Severity, Violation
from ppo_audit.locate.place import MOST_ALTERNATIVES, Place, tried_elsewhere
from ppo_audit.locate.slips import TICK, Function, Pair, Slip, slips, with_ticks
from ppo_audit.locate.source import display, on_line
from ppo_audit.rules import Page, catalogue, load_check

EDITS = 4000
"""Tried at most for one violation, in a fixed order and whatever time it takes, so that all machines agree."""
MOST_ALIKE = 40
"""Edits of the same kind that are tried at other lines once one has cured."""


class Mendable(Protocol):
    """A helper that can be called with another function in place of its own."""

    @property
    def kind(self) -> str: ...

    @property
    def function(self) -> Callable[..., Any]: ...

    def needs(self, names: Any) -> str | None: ...

    def trial(self, function: Callable[..., Any]) -> Mendable | None: ...


@dataclass(frozen=True)
class Source:
    """The functions of a module that a target runs, as syntax trees, and how to build the target anew from them."""

    module: types.ModuleType
    file: str
    functions: tuple[Function, ...]
    owners: dict[int, ast.stmt]
    target: Callable[..., Any]

    def built(self, changed: Function) -> Callable[..., Any]:
        """The target with one function compiled from its present tree, the module's others with it."""
        namespace = {**vars(self.module), TICK: Ticks()}
        for statement in dict.fromkeys([*self.owners.values()]):
            if statement is not self.owners[id(changed)]:
                exec(_compiled(statement, self.file), namespace)
        exec(compile(_alone(self.owners[id(changed)]), self.file, "exec"), namespace)
        return _resolved(self.target, namespace)


class Ticks:
    """Counts the turns of loops, and stops an edited helper that goes on and on."""

    def __init__(self) -> None:
        self._left = 3_000

    def __call__(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TimeoutError("the edited helper does not come to an end")


def mended(subject: Mendable, page: Page, violation: Violation) -> Place:
    """The edits that cure the violation and break no other rule; else the line at which the helper begins."""
    source = source_of_target(subject.function)
    if source is None:
        return Place(None)
    trials = _Trials(subject, source, page, frozenset(_flagged(subject)))
    edits = [(function, slip) for function in source.functions for slip in slips(function)][:EDITS]
    partial: Slip | None = None
    lines: list[int] = []
    for function, slip in edits:
        after = trials.outcome(function, slip)
        if after is None:
            lines.append(_edited_line(slip))
            continue
        if not after & {*violation.explains}:
            return _place(source, [slip, *trials.alike(slip, after, edits)], lines)
        partial = partial or slip
    return _place(source, [partial], lines) if partial else _start(source)


@dataclass(frozen=True)
class _Trials:
    """Edits of a helper's source held against its rules. `before` are the rules that flag it as it is."""

    subject: Mendable
    source: Source
    page: Page
    before: frozenset[str]

    def outcome(self, function: Function, slip: Slip) -> set[str] | None:
        """The rules that still flag with an edit that cures; None where it does not, or breaks another rule."""
        after = _outcome(self.subject, self.source, function, slip, self.page)
        return None if after is None or after - self.before else after

    def alike(self, cure: Slip, left: set[str], edits: Sequence[tuple[Function, Slip]]) -> Iterator[Slip]:
        """The edits of the same kind at other lines that cure as well, and leave the same rules flagged."""
        kind, lines = cure.kind, {_edited_line(cure)}
        same = ((function, slip) for function, slip in edits if _edited_line(slip) not in lines and slip.kind == kind)
        for function, slip in itertools.islice(same, MOST_ALIKE):
            if _edited_line(slip) not in lines and self.outcome(function, slip) == left:
                lines.add(_edited_line(slip))
                yield slip


def _outcome(subject: Mendable, source: Source, function: Function, slip: Slip, page: Page) -> set[str] | None:
    """The rules that flag the edited helper; None where the edit is no cure."""
    slip.slot.put(ast.fix_missing_locations(ast.copy_location(copy.copy(slip.instead), slip.slot.node)))
    try:
        other = subject.trial(source.built(function))
        if other is None or load_check(page)(other) is not None:
            return None
        return set(_flagged(other))
    except Exception:  # an edit may break the helper in any way; then it is no cure
        return None
    finally:
        slip.slot.put(slip.slot.node)


def _flagged(subject: Mendable) -> Iterator[str]:
    """The rules of the helper's kind that flag it at or above serious; one that fails counts as flagged."""
    for code, page in catalogue().items():
        if subject.kind in page.rule.kinds and subject.needs(page.rule.needs) is None:
            try:
                violation = load_check(page)(subject)
                is_wrong = violation is not None and (violation.severity or page.rule.severity) <= Severity.SERIOUS
            except NotApplicable:
                is_wrong = False
            except Exception:
                is_wrong = True
            if is_wrong:
                yield code


def source_of_target(target: Callable[..., Any]) -> Source | None:
    """The functions of a target's module that it runs, its own first; None where there is no source to edit."""
    function = inspect.unwrap(target.func if isinstance(target, functools.partial) else target)
    module = sys.modules.get(getattr(function, "__module__", "") or "")
    file = inspect.getsourcefile(function) if inspect.isroutine(function) else None
    if module is None or file is None or "<locals>" in function.__qualname__:
        return None
    tree = ast.parse("".join(linecache.getlines(file)))
    owners = {id(node): statement for statement in tree.body for node in _definitions(statement)}
    known = {node.name: node for statement in tree.body for node in _definitions(statement)}
    for definition in known.values():
        with_ticks(definition)
        ast.fix_missing_locations(definition)
    name = function.__qualname__.rpartition(".")[2]
    if name not in known:
        return None
    return Source(module, file, tuple(_reached(known[name], known)), owners, target)


def _definitions(statement: ast.stmt) -> list[Function]:
    """The function that a statement defines, or the methods of the class."""
    if isinstance(statement, ast.FunctionDef):
        return [statement]
    return (
        [each for each in statement.body if isinstance(each, ast.FunctionDef)]
        if isinstance(statement, ast.ClassDef)
        else []
    )


def _reached(first: Function, known: dict[str, Function]) -> Iterator[Function]:
    """A function and those of its module that it calls, directly or not."""
    pending, seen = [first], {first.name}
    while pending:
        function = pending.pop(0)
        yield function
        names = [getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(function)]
        for name in dict.fromkeys(names):
            if name in known and name not in seen:
                seen.add(name)
                pending.append(known[name])


@functools.lru_cache(maxsize=256)
def _compiled(statement: ast.stmt, file: str) -> types.CodeType:
    return compile(_alone(statement), file, "exec")


def _alone(statement: ast.stmt) -> ast.Module:
    """A module of one definition; annotations stay text, as most modules of this kind have it."""
    future = ast.parse("from __future__ import annotations").body
    return ast.Module([*future, statement], [])


def _resolved(target: Callable[..., Any], namespace: dict[str, Any]) -> Callable[..., Any]:
    """The target's counterpart in a namespace: function, method of the same object, or partial, the arguments alike."""
    if isinstance(target, functools.partial):
        return functools.partial(_resolved(target.func, namespace), *target.args, **target.keywords)
    owner = getattr(target, "__self__", None)
    head, *rest = target.__qualname__.split(".")
    found = functools.reduce(getattr, rest, namespace[head])
    is_bound = owner is not None and not isinstance(owner, type)
    return types.MethodType(found, owner) if is_bound else found


def _place(source: Source, cures: Sequence[Slip], lines: Sequence[int]) -> Place:
    """The likeliest line of those that cure, then the others."""
    first, *others = sorted(cures, key=_likelihood, reverse=True)
    was, now = ast.unparse(first.slot.node), ast.unparse(first.instead)
    where = "in front of" if isinstance(first.slot, Pair) else "in place of"
    proof = f"With `{now}` {where} `{was}`, the violation is gone and no other rule is newly broken."
    alternatives = tuple(on_line(source.file, _edited_line(other)) for other in others[:MOST_ALTERNATIVES])
    why = tried_elsewhere(lines, map(_edited_line, cures))
    return Place(on_line(source.file, _edited_line(first)), proof, _diff(source.file, first), alternatives, why)


def _likelihood(slip: Slip) -> tuple[int, int]:
    """A number that a name is set to, or another name, has lost something; else as calls are tried, from the end.

    The least likely is a bare name that is returned: there is nothing in it to get wrong.
    """
    slot, line = slip.slot, _edited_line(slip)
    if isinstance(slot, Pair) or not isinstance(slot.node, ast.Name | ast.Constant):
        return 1, line
    if isinstance(slot.parent, ast.Assign):
        return (3 if isinstance(slot.node, ast.Constant) else 2), line
    return (0 if isinstance(slot.parent, ast.Return) else 1), line


def _edited_line(slip: Slip) -> int:
    """The line of an expression; of an operation over several lines, that of its operator, before the right operand."""
    node, instead = slip.slot.node, slip.instead
    if isinstance(node, ast.BinOp) and isinstance(instead, ast.BinOp) and type(node.op) is not type(instead.op):
        return node.right.lineno
    return node.lineno


def _start(source: Source) -> Place:
    return Place(on_line(source.file, source.functions[0].lineno))


def _diff(file: str, slip: Slip) -> str | None:
    """The edit as a unified diff; None where what is edited goes over several lines."""
    node = slip.slot.node
    if node.lineno != node.end_lineno or node.end_col_offset is None or isinstance(slip.slot, Pair):
        return None
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    old = lines[node.lineno - 1]
    before, after = old.encode()[: node.col_offset].decode(), old.encode()[node.end_col_offset :].decode()
    new = [*lines[: node.lineno - 1], f"{before}{ast.unparse(slip.instead)}{after}", *lines[node.lineno :]]
    return "\n".join(difflib.unified_diff(lines, new, display(file), display(file), n=1, lineterm=""))
