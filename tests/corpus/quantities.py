"""What an expression of a correct loss is made of: the roles that flow into it, read off the source.

Flow is by name over the whole file, without order: enough to tell a surrogate from a value error. What the author
calls an entropy or a KL is one.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

ROLES = {
    "new": {"logp", "head_logp"},
    "old": {"old", "head_old", "gaussian_old", "logits_old", "probability_old"},
    "ref": {"ref"},
    "advantage": {"adv", "sequence_adv"},
    "reward": {"reward"},
    "value": {"value", "quantiles"},
    "old value": {"old_value", "old_quantiles"},
    "return": {"ret"},
    "entropy": {"entropy", "head_entropy"},
    "mask": {"mask", "drop"},
    "policy": {"logits", "mean", "log_std"},
    "old policy": {"old_mean", "old_log_std"},
}
"""Role by the tensors of `calls.make_batch`, without their prefix `token_`."""


SHAPES = {"shape", "dtype", "len", "numel", "size", "ndim"}
"""What is asked of a tensor's form carries none of its values."""


@dataclass(frozen=True)
class View:
    """A source file with the roles of its names."""

    text: str
    tree: ast.Module
    names: Mapping[str, frozenset[str]]
    fields: Mapping[str, frozenset[str]]

    @cached_property
    def defaults(self) -> list[ast.expr]:
        """The defaults of all arguments."""
        functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]
        return [default for f in functions for default in (*f.args.defaults, *f.args.kw_defaults) if default]

    def segment(self, node: ast.AST) -> str:
        """The text of an expression."""
        if node.lineno != node.end_lineno:
            return ast.get_source_segment(self.text, node) or ""
        return self._lines[node.lineno - 1][node.col_offset : node.end_col_offset]

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def _seen(self) -> dict[ast.AST, frozenset[str]]:
        return {}

    def roles(self, node: ast.AST) -> frozenset[str]:
        """The roles that flow into an expression."""
        if node not in self._seen:
            self._seen[node] = _roles(node, self.names, self.fields)
        return self._seen[node]

    @cached_property
    def _of_kl(self) -> frozenset[ast.AST]:
        kl = [node for node in ast.walk(self.tree) if _makes_kl(node)]
        return frozenset(part for node in kl for part in ast.walk(node))

    def is_of_kl(self, node: ast.AST) -> bool:
        """Whether an expression belongs to a line or function that makes what the author calls a KL."""
        return node in self._of_kl

    def named(self, role: str, but: frozenset[str] = frozenset()) -> str | None:
        """A parameter of plain name that carries exactly one role, as one can write it in the body."""
        names = [name for name, roles in self.fields.items() if roles == {role} and name in _parameters(self.tree)]
        return next((name for name in names if name not in but), None)


def view(text: str, fields: Mapping[str, str]) -> View:
    """The file read with `fields`: which parameter or key takes which tensor of the batch."""
    tree = ast.parse(text)
    given = {name: frozenset(_role(tensor)) for name, tensor in fields.items()}
    names = {name: roles for name, roles in given.items() if name in _parameters(tree)}
    for _ in range(4):
        for name, roles in _bound(tree, names, given):
            names[name] = given[name] if name in given else names.get(name, frozenset()) | roles
    return View(text, tree, names, given)


def _role(tensor: str) -> set[str]:
    plain = tensor.strip("-|?").removeprefix("token_")
    return {role for role, tensors in ROLES.items() if plain in tensors}


def _parameters(tree: ast.Module) -> set[str]:
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {arg.arg for f in functions for arg in (*f.args.args, *f.args.kwonlyargs)}


def _bound(tree: ast.Module, names: Mapping[str, frozenset[str]], fields: Mapping[str, frozenset[str]]
           ) -> Iterator[tuple[str, frozenset[str]]]:  # fmt: skip
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for part, value in _pairs(target, node.value):
                    if isinstance(part, ast.Name):
                        yield part.id, _called(part.id) or _roles(value, names, fields)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
            for argument, value in zip(functions[node.func.id].args.args, node.args, strict=False):
                yield argument.arg, _roles(value, names, fields)


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if not isinstance(target, ast.Tuple):
        return [(target, value)]
    if isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=False))
    return [(part, value) for part in target.elts]


def _called(name: str) -> frozenset[str]:
    """What the author says a name is."""
    if "entropy" in name and "coef" not in name:
        return frozenset({"entropy"})
    return frozenset({"kl"}) if name.endswith(("kl", "kl_divergence")) or name.startswith("kl_d") else frozenset()


def _makes_kl(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return "kl" in _called(node.name)
    target = node.targets[0] if isinstance(node, ast.Assign) else None
    return isinstance(target, ast.Name) and "kl" in _called(target.id)


def _roles(node: ast.AST, names: Mapping[str, frozenset[str]], fields: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if isinstance(node, ast.Name):
        return names.get(node.id, frozenset())
    if isinstance(node, ast.Attribute) and node.attr in SHAPES:
        return frozenset()
    if isinstance(node, ast.Attribute) and node.attr in fields:
        return fields[node.attr]
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and node.slice.value in fields:
        return fields[node.slice.value]
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if _called(name) or name in SHAPES:
            return _called(name)
    return frozenset().union(*(_roles(child, names, fields) for child in ast.iter_child_nodes(node)))
