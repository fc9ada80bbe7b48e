"""Targets that change what is not theirs, and compute an honest loss."""

import atexit
import builtins
import os
import pickle
import random
import signal
import sys
import time

import torch
from honest_surrogate import surrogate
from torch import Tensor

ORIGINAL_EXP = torch.exp


def default_dtype(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    torch.set_default_dtype(torch.float16)
    return surrogate(log_probs, old_log_probs, advantages)


def gradient_mode(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    loss = surrogate(log_probs, old_log_probs, advantages)
    torch.set_grad_enabled(False)
    return loss


def seed(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for number in range(100):
        torch.manual_seed(number)
        random.seed(number)
    return surrogate(log_probs, old_log_probs, advantages)


def patched_torch(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    torch.exp = lambda value: ORIGINAL_EXP(value) * 0
    torch.ones = torch.zeros
    return surrogate(log_probs, old_log_probs, advantages)


def patched_builtins(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    builtins.open = None
    pickle.dumps = None
    time.perf_counter = None
    return surrogate(log_probs, old_log_probs, advantages)


def modules(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for name in [name for name in sys.modules if name.startswith(("ppo_audit", "pickle", "json"))]:
        sys.modules[name] = None
    return surrogate(log_probs, old_log_probs, advantages)


def path(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    sys.path.clear()
    return surrogate(log_probs, old_log_probs, advantages)


def environment(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    os.environ.clear()
    return surrogate(log_probs, old_log_probs, advantages)


def folder(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    os.chdir("/")
    return surrogate(log_probs, old_log_probs, advantages)


def streams(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    sys.stdout = sys.stderr = None
    os.closerange(0, 256)
    return surrogate(log_probs, old_log_probs, advantages)


def exit_handlers(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    atexit.register(os._exit, 0)
    atexit.register(time.sleep, 3600)
    return surrogate(log_probs, old_log_probs, advantages)


def signal_handlers(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return surrogate(log_probs, old_log_probs, advantages)


def asks(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return surrogate(log_probs, old_log_probs, advantages) * float(input("Which factor? "))


def stops_in_the_debugger(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    breakpoint()
    return surrogate(log_probs, old_log_probs, advantages)
