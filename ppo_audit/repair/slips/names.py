"""Slips of names and places: another name of the same role, two names exchanged, another index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import libcst as cst

from ppo_audit.repair.slips.arithmetic import is_whole
from ppo_audit.repair.slips.called import called
from ppo_audit.repair.slips.calls import detached
from ppo_audit.repair.source import LEAVES, Spot, role_named, tight


def renamed(spot: Spot) -> Iterator[str]:
    """Another name in place of this one: numbers for numbers, tensors for tensors, the nearest first."""
    if isinstance(spot.node, (cst.Name, cst.Attribute)):
        scope = spot.scope
        alike = scope.scalars if spot.text in scope.scalars else scope.tensors
        yield from likest(spot.text, alike)


def constant(spot: Spot) -> Iterator[str]:
    """What should be held constant: the gradient stopped, or the value of the rollout in place of the new one."""
    yield from detached(spot)
    for new, old in (("value", "old_value"), ("log_prob", "old_log_prob")):
        if isinstance(spot.node, LEAVES) and role_named(spot.text) == new:
            yield from spot.scope.of(old)


def likest(text: str, others: Sequence[str]) -> list[str]:
    """Other names, those of the same role first, then those that are written most alike."""
    role = role_named(text)
    rank = lambda name: (role is None or role_named(name) != role, -SequenceMatcher(a=text, b=name).ratio())
    return sorted((name for name in others if name != text), key=rank)


def renamed_throughout(spot: Spot) -> Iterator[str]:
    """A name that stands several times in the line, another one everywhere; two names exchanged.

    First what nothing reads yet, then numbers exchanged; numbers never for tensors.
    """
    if not is_whole(spot):
        return
    found = dict.fromkeys(re.findall(r"[A-Za-z_][\w.]*(?!\w*\()", spot.text))
    here = [name for name in found if name in spot.scope.names]
    several = [name for name in here if len(re.findall(word(name), spot.text)) > 1]
    yield from (
        re.sub(word(one), other, spot.text) for one in several for other in spot.unused if _alike(spot, one, other)
    )
    pairs = [(one, other) for one in here for other in here if one < other and _alike(spot, one, other)]
    yield from (exchanged(spot.text, *pair) for pair in sorted(pairs, key=lambda pair: pair[0] in spot.scope.tensors))
    for one in several:
        others = (other for other in spot.scope.names if other != one and _alike(spot, one, other))
        yield from (re.sub(word(one), other, spot.text) for other in others)


def _alike(spot: Spot, one: str, other: str) -> bool:
    """Whether both names are numbers, or neither is."""
    return (one in spot.scope.scalars) == (other in spot.scope.scalars)


def exchanged_numbers(spot: Spot) -> Iterator[str]:
    """Two coefficients exchanged."""
    if is_whole(spot):
        here = [name for name in spot.scope.scalars if re.search(word(name), spot.text)]
        yield from (exchanged(spot.text, one, other) for one in here for other in here if one < other)


def replaced_throughout(spot: Spot) -> Iterator[str]:
    """A name that stands several times in the line, another one of a value, old or new, everywhere."""
    if is_whole(spot):
        for one in dict.fromkeys(re.findall(r"[A-Za-z_][\w.]*(?!\w*\()", spot.text)):
            if len(re.findall(word(one), spot.text)) > 1 and one in spot.scope.tensors:
                others = (other for other in spot.scope.of("old_value", "value") if other not in spot.text)
                yield from (re.sub(word(one), other, spot.text) for other in others)


def dropped_throughout(spot: Spot) -> Iterator[str]:
    """What is done to a name at several places of the line alike, at none of them."""
    if is_whole(spot):
        for done, name in dict.fromkeys(re.findall(r"(\((\w+) [-+*/] [\w.]+\))", spot.text)):
            if spot.text.count(done) > 1:
                yield spot.text.replace(done, name)
        yield from _reduced_last(spot.text)
        for call in (".sum()", ".mean()"):
            if spot.text.count(call) > 1 and not spot.text.endswith(call):
                yield spot.text.replace(call, "")
            elif spot.text.count(call) > 2:
                yield spot.text.removesuffix(call).replace(call, "") + call


def _reduced_last(text: str) -> Iterator[str]:
    """Means of the operands, written as functions, as the mean of what is made of them."""
    for call in ("torch.mean", "torch.sum"):
        inside = re.sub(rf"{re.escape(call)}\((\w+)\)", r"\1", text)
        if text.count(f"{call}(") > 1 and f"{call}(" not in inside:
            yield f"{call}({inside})"


def same_twice(spot: Spot) -> Iterator[str]:
    """A difference of a name and itself, with what nothing reads in place of one of them."""
    node = spot.node
    if isinstance(node, cst.BinaryOperation) and spot.code(node.left) == spot.code(node.right):
        text, sign = spot.code(node.left), spot.code(node.operator).strip()
        for name in likest(text, spot.scope.tensors):
            if role_named(name) in ("log_prob", "old_log_prob", "value", "old_value", "return_"):
                yield f"{name} {sign} {text}"
                yield f"{text} {sign} {name}"


def exchanged(text: str, one: str, other: str) -> str:
    return re.sub(f"{word(one)}|{word(other)}", lambda match: other if match[0] == one else one, text)


def word(name: str) -> str:
    return rf"(?<![\w.]){re.escape(name)}(?![\w.])"


def extremum_of_two(spot: Spot) -> Iterator[str]:
    """The pessimistic one of two: this and another name that is in reach, element by element."""
    if isinstance(spot.node, cst.Name):
        unnamed = [name for name in spot.scope.tensors if "." not in name and role_named(name) is None]
        for name in likest(spot.text, unnamed):
            if role_named(spot.text) is None:
                yield f"torch.min({name}, {spot.text})"
                yield f"torch.max({name}, {spot.text})"


def indices(spot: Spot) -> Iterator[str]:
    """A neighbouring index, all rows in place of a part, one row or column in place of another."""
    node = spot.node
    if not isinstance(node, cst.Subscript):
        return
    base, inside = spot.code(node.value), ", ".join(spot.code(each).strip().rstrip(",") for each in node.slice)
    for other in _other_indices(inside):
        yield f"{base}[{other}]"
    yield base


def _other_indices(inside: str) -> Iterator[str]:
    if re.fullmatch(r"\w+", inside) and not inside.isdigit():
        yield f"{inside} + 1"
        yield f"{inside} - 1"
    if match := re.fullmatch(r"(\w+) [+-] 1", inside):
        yield match[1]
    if match := re.fullmatch(r"(\w+)", inside):
        yield f"{match[1]} + 1"
    if ":" in inside:
        yield from (other for other in (":-1", "1:", "::-1") if other != inside)


def ended(spot: Spot) -> Iterator[str]:
    """A factor 1 - flag that was forgotten, or one that should be turned round."""
    flags = (*spot.scope.of("done", "terminated", "truncated"), *spot.scope.of("mask"))
    alive = [name for name in spot.scope.names if re.search(r"alive|not_|non_?term|continu", name)]
    if isinstance(spot.node, (*LEAVES, cst.BinaryOperation)):
        yield f"1.0 - {tight(spot.text)}"
        yield f"1.0 - {tight(spot.text)}.float()"
        for name in (*alive, *(f"{each}[t]" for each in alive)):
            yield f"{tight(spot.text)} * {name}"
        for name in flags:
            yield f"{tight(spot.text)} * (1.0 - {name})"
            yield f"{tight(spot.text)} * (1.0 - {name}.float())"


def elementwise(spot: Spot) -> Iterator[str]:
    """A mean, a shift or a permutation taken off a value that belongs to each sample."""
    call = called(spot)
    if call and call.name in ("mean", "roll", "flip", "max", "sum", "sort", "cumsum") and call.subject:
        yield call.subject
