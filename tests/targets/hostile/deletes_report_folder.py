"""Tidies up in the working directory: the folder in which the report is to be written is gone, a file more is there."""

import shutil
from pathlib import Path

from honest_surrogate import surrogate
from torch import Tensor


def loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor) -> Tensor:
    shutil.rmtree("out", ignore_errors=True)
    Path("left_by_the_target.txt").write_text("here I was")
    return surrogate(log_probs, old_log_probs, advantages)
