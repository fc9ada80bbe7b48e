"""Targets that never come back."""

import signal
import sys
import threading
import time

from honest_surrogate import is_extreme, surrogate
from torch import Tensor


def in_python(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    while True:
        pass


def in_python_later(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    while is_extreme(log_probs, old_log_probs):
        pass
    return surrogate(log_probs, old_log_probs, advantages)


def in_c(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    time.sleep(3600)
    return surrogate(log_probs, old_log_probs, advantages)


def in_a_lock(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
    return surrogate(log_probs, old_log_probs, advantages)


def deaf_to_signals(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(1)


def in_an_endless_generator(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return sum(log_probs.sum() for _ in iter(int, 1))


def in_the_middle_of_big_integers(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return log_probs.sum() + len(str(10 ** (10**9)))


def in_recursion(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return in_recursion(log_probs, old_log_probs, advantages)


def in_recursion_without_limit(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    sys.setrecursionlimit(2**31 - 1)
    nested: list = []
    for _ in range(10**6):
        nested = [nested]
    repr(nested)
    return surrogate(log_probs, old_log_probs, advantages)
