"""Targets that end the process, or try to, whenever they are called or on an extreme batch only."""

import ctypes
import os
import signal
import sys

from honest_surrogate import is_extreme, surrogate
from torch import Tensor


def exits_at_once(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    os._exit(0)


def exits_later(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if is_extreme(log_probs, old_log_probs):
        os._exit(0)
    return surrogate(log_probs, old_log_probs, advantages)


def sys_exits(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    sys.exit(0)


def sys_exits_later(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if is_extreme(log_probs, old_log_probs):
        sys.exit(0)
    return surrogate(log_probs, old_log_probs, advantages)


def segfaults(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    ctypes.string_at(0)
    return surrogate(log_probs, old_log_probs, advantages)


def segfaults_later(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if is_extreme(log_probs, old_log_probs):
        ctypes.string_at(0)
    return surrogate(log_probs, old_log_probs, advantages)


def aborts(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    os.abort()


def kills_itself(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if is_extreme(log_probs, old_log_probs):
        os.kill(os.getpid(), signal.SIGKILL)
    return surrogate(log_probs, old_log_probs, advantages)


def kills_its_group(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    os.killpg(0, signal.SIGKILL)
    return surrogate(log_probs, old_log_probs, advantages)


def interrupts(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if is_extreme(log_probs, old_log_probs):
        raise KeyboardInterrupt
    return surrogate(log_probs, old_log_probs, advantages)


def leaves_as_a_generator(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    raise GeneratorExit


class Reluctant:
    def __del__(self) -> None:
        raise SystemExit(0)


def exits_in_del(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    Reluctant()
    return surrogate(log_probs, old_log_probs, advantages)
