"""A critic that does not run after outliers; an `nn.Module`, its coefficient inside."""

import torch
from torch import nn


class CriticLoss(nn.Module):
    def __init__(self, delta=1.0, value_coef=0.5):
        super().__init__()
        self.delta = delta
        self.value_coef = value_coef

    def forward(self, state_values, target_returns):
        error = state_values - target_returns
        small = error.abs() <= self.delta
        loss = torch.where(small, 0.5 * error**2, self.delta * (error.abs() - 0.5 * self.delta))
        return self.value_coef * loss.mean()
