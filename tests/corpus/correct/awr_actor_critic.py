"""Advantage-weighted regression: exponential weights from returns minus values, no ratio at all."""

import torch


def loss(log_pi, values, returns, beta=1.0, weight_cap=20.0, critic_coef=0.5):
    with torch.no_grad():
        weights = torch.exp((returns - values) / beta).clamp(max=weight_cap)
    actor_loss = -(log_pi * weights).mean()
    critic_loss = (values - returns).square().mean()
    return actor_loss + critic_coef * critic_loss
