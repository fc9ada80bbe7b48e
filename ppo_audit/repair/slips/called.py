"""A call as text: what stands before its name, the name, and its arguments."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from ppo_audit.repair.source import MODULES, Spot


@dataclass(frozen=True)
class Called:
    """`head.name(args)`; a function has a module or nothing as its head, a method what it is called on."""

    head: str
    name: str
    args: tuple[str, ...]
    is_method: bool

    def text(self, name: str | None = None, args: tuple[str, ...] | None = None) -> str:
        """The call with another name or other arguments."""
        dot = "." if self.head else ""
        return f"{self.head}{dot}{name or self.name}({', '.join(self.args if args is None else args)})"

    @property
    def subject(self) -> str:
        """What the call works on: the object of a method, the first argument of a function."""
        return self.head if self.is_method else next((each for each in self.args if "=" not in each), "")

    @property
    def options(self) -> tuple[str, ...]:
        """The arguments beside the subject."""
        return self.args if self.is_method else self.args[1:]

    @property
    def positional(self) -> tuple[str, ...]:
        """Arguments without a keyword."""
        return tuple(each for each in self.args if not _is_keyword(each))


def called(spot: Spot) -> Called | None:
    """The call that an expression is."""
    node = spot.node
    if not isinstance(node, cst.Call):
        return None
    args = tuple(spot.code(arg).rstrip(", \n") for arg in node.args)
    if isinstance(node.func, cst.Name):
        return Called("", node.func.value, args, False)
    if isinstance(node.func, cst.Attribute):
        head = spot.code(node.func.value)
        head = f"({head})" if getattr(node.func.value, "lpar", ()) else head
        return Called(head, node.func.attr.value, args, head.rpartition(".")[2] not in MODULES)
    return None


def _is_keyword(argument: str) -> bool:
    name, sign, value = argument.partition("=")
    return bool(sign) and name.strip().isidentifier() and not value.startswith("=")
