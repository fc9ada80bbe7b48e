"""A module that ends the process while it is imported, as a script without a `__main__` guard does."""

import sys

from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    return -((log_probs - old_log_probs).exp() * advantages).mean()


sys.exit("usage: sys_exit_on_import CONFIG")
