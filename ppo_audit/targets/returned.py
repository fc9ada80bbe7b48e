"""What a target calls the elements of the tuple that it returns."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


@functools.lru_cache(maxsize=64)
def returned_names(function: Callable[..., Any]) -> tuple[str, ...]:
    """The variables of the last `return a, b, c`, an empty name for what is none; nothing where that cannot be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return ()
    tuples = [
        each.value for each in ast.walk(tree) if isinstance(each, ast.Return) and isinstance(each.value, ast.Tuple)
    ]
    return tuple(getattr(element, "id", "") for element in tuples[-1].elts) if tuples else ()
