"""A distributional critic: quantiles of the return trained as in QR-DQN; a value clip is watched, not applied."""

import torch


def quantile_huber(quantiles, targets, kappa=1.0):
    """Per sample [N]; `quantiles` has shape [N, K], `targets` [N]."""
    k = quantiles.shape[-1]
    tau = (torch.arange(k, dtype=quantiles.dtype) + 0.5) / k
    error = targets.unsqueeze(-1) - quantiles
    huber = torch.where(error.abs() <= kappa, 0.5 * error**2, kappa * (error.abs() - 0.5 * kappa))
    return ((tau - (error < 0).to(tau.dtype)).abs() * huber).mean(-1)


def loss(log_prob, old_log_prob, advantages, quantiles, old_quantiles, returns, clip_range=0.2, vf_coef=0.5):
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(ratio * advantages, clipped * advantages).mean()

    drift = (quantiles - old_quantiles).mean(-1, keepdim=True)
    near = quantiles - drift + drift.clamp(-clip_range, clip_range)
    value_loss = quantile_huber(quantiles, returns).mean()
    metrics = {"drift_beyond_clip": (near - quantiles).detach().abs().mean()}
    return policy_loss + vf_coef * value_loss, metrics
