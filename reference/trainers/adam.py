"""Adam on one vector of parameters, in four operations: torch's own spends more time in Python than in arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5  # ϵ as in "The 37 Implementation Details of PPO", detail 3


@dataclass
class Adam:
    """The two moments of the gradient, and how many steps they have seen."""

    parameters: Tensor  # [P], with its gradient in `.grad`
    learning_rate: float = 0.0
    first: Tensor = field(init=False)
    second: Tensor = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.first, self.second = torch.zeros_like(self.parameters), torch.zeros_like(self.parameters)

    @torch.no_grad()
    def step(self) -> None:
        """m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − α m̂ / (√v̂ + ϵ)

        Kingma and Ba (arXiv:1412.6980), algorithm 1. m̂ = m / (1−β₁ᵗ), v̂ = v / (1−β₂ᵗ).
        """
        gradient = self.parameters.grad
        assert gradient is not None
        self.steps += 1
        self.first.lerp_(gradient, 1.0 - BETA_1)
        self.second.mul_(BETA_2).addcmul_(gradient, gradient, value=1.0 - BETA_2)
        size = self.learning_rate / (1.0 - BETA_1**self.steps)
        root = self.second.sqrt().div_((1.0 - BETA_2**self.steps) ** 0.5).add_(EPSILON)
        self.parameters.addcdiv_(self.first, root, value=-size)

    def state(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "steps": self.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.first.copy_(state["first"])
        self.second.copy_(state["second"])
        self.steps = state["steps"]
