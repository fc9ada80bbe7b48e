"""A script that waits for ever in the middle of its first update."""

import time

import torch
from training import train


class Waiting(torch.optim.SGD):
    """An optimizer whose first step never ends."""

    def step(self, closure: object = None) -> None:
        """Wait for the other ranks."""
        time.sleep(3600)


torch.optim.SGD = Waiting
train(lambda update: update)
