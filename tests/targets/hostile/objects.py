"""Targets whose errors and objects are traps for whoever looks at them."""

from honest_surrogate import surrogate
from torch import Tensor


class Trap(Exception):
    def __reduce__(self) -> str:
        raise RuntimeError("not to be pickled")

    def __str__(self) -> str:
        raise RuntimeError("not to be printed")

    __repr__ = __str__


def unprintable_error(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    raise Trap


def megabyte_error(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    raise ValueError("no" * 2**21)


def terminal_error(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    raise ValueError("\x1b]0;owned\x07\x1b[2J\x1b[31mred <script>alert(1)</script>\x9b5m")


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        raise RuntimeError("no hash")


def returns_a_trap(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> object:
    return Odd()


def odd_default(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, config: object = Odd()) -> Tensor:
    return surrogate(log_probs, old_log_probs, advantages)
