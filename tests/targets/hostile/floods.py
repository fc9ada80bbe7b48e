"""Targets that eat memory, print without end, or start what they do not end."""

import os
import subprocess
import sys
import threading
import time
import warnings

import torch
from honest_surrogate import surrogate
from torch import Tensor

HELD: list[Tensor] = []
LINE = "x" * 9999


def memory(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    while True:
        HELD.append(torch.ones(2**26))


def memory_at_once(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return torch.ones(2**50).sum() + log_probs.sum()


def output(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for _ in range(100):
        print(LINE)
        print(LINE, file=sys.stderr)
    return surrogate(log_probs, old_log_probs, advantages)


def endless_output(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    while True:
        print(LINE)


def warning(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    warnings.simplefilter("always")
    for number in range(100):
        warnings.warn(f"{number} {LINE[:200]}", stacklevel=1)
    return surrogate(log_probs, old_log_probs, advantages)


def daemon_threads(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
    return surrogate(log_probs, old_log_probs, advantages)


def lasting_threads(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if threading.active_count() < 20:
        threading.Thread(target=time.sleep, args=(3600,)).start()
    return surrogate(log_probs, old_log_probs, advantages)


STARTED: list[subprocess.Popen[bytes]] = []


def processes(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    if len(STARTED) < 3:
        STARTED.append(subprocess.Popen(["sleep", "3617"], start_new_session=True))
    return surrogate(log_probs, old_log_probs, advantages)


def small_fork_bomb(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for _ in range(5):
        os.fork()
    while True:
        time.sleep(1)
