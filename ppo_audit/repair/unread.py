"""What a function computes and a file holds and nothing reads: it was forgotten.

Names of the function, and settings: of an object, a dict, a dataclass or the module.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from ppo_audit.targets.names import is_scalar, role_of

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.lru_cache(maxsize=64)
def unread(text: str, line: int) -> frozenset[str]:
    """The parameters and local names of the function around a line that nothing in it reads, and such settings."""
    tree = ast.parse(text)
    inside = list(ast.walk(_function_around(tree, line) or tree))
    targets = [target for node in inside if isinstance(node, ast.Assign) for target in node.targets]
    names = [name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    written = {node.arg for node in inside if isinstance(node, ast.arg)}
    written |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
    read = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return frozenset((*(written - read), *unread_settings(text, line)))


def _function_around(tree: ast.Module, line: int) -> Function | None:
    """The innermost function around a line."""
    around = [node for node in ast.walk(tree) if isinstance(node, Function) and _holds(node, line)]
    return max(around, key=lambda node: node.lineno, default=None)


@functools.lru_cache(maxsize=16)
def unread_settings(text: str, line: int) -> tuple[str, ...]:
    """As they would be read at a line: `self.kl_coef`, `cfg["vf_coef"]`, `args.ent_coef`, `ENT_COEF`."""
    tree = ast.parse(text)
    function = _function_around(tree, line)
    if function is None:
        return ()
    found = (*_of_self(tree, function), *_of_dicts(tree, function), *_of_fields(tree, function), *_constants(tree))
    return tuple(dict.fromkeys(found))


def _holds(node: Function | ast.ClassDef, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_number(name: str) -> bool:
    """Whether a name is that of a setting that is a number."""
    role = role_of(name)
    return role is not None and is_scalar(role)


def _of_self(tree: ast.Module, function: Function) -> Iterator[str]:
    """What methods of the class set on the object."""
    owners = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and function in node.body]
    read = _attributes(tree, ast.Load)
    for owner in owners:
        yield from (f"self.{name}" for name in sorted(_attributes(owner, ast.Store) - read) if _is_number(name))


def _attributes(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, context)}


def _of_dicts(tree: ast.Module, function: Function) -> Iterator[str]:
    """The keys of dicts of the file, by the name under which the function reads others."""
    items = [
        node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
    ]
    read = {node.slice.value for node in items if isinstance(node.slice, ast.Constant)}
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    names = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    holders = [node.value.id for node in items if isinstance(node.value, ast.Name) and _holds(function, node.lineno)]
    for name in (name for name in names if name not in read and _is_number(name)):
        yield from (f'{holder}["{name}"]' for holder in dict.fromkeys(holders))


def _of_fields(tree: ast.Module, function: Function) -> Iterator[str]:
    """The fields of classes of the file and keywords of namespaces, by the name under which others are read."""
    read = _attributes(tree, ast.Load)
    fields = list(_fields(tree))
    readers = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr in fields]
    holders = [node.value.id for node in readers if isinstance(node.value, ast.Name)]
    for name in (name for name in fields if name not in read and _is_number(name)):
        yield from (f"{holder}.{name}" for holder in dict.fromkeys(holders))


def _fields(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Call(func=ast.Name(id="SimpleNamespace") | ast.Attribute(attr="SimpleNamespace" | "Namespace")):
                yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def _constants(tree: ast.Module) -> Iterator[str]:
    """The constants of the module."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    set_ = [target.id for target in targets if isinstance(target, ast.Name)]
    yield from (name for name in set_ if name not in read and _is_number(name))
