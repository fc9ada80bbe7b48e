"""A distributional critic: quantiles of the return trained with the quantile Huber loss, no value clip (QR-DQN form)."""

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
    value_loss = quantile_huber(quantiles, returns).mean()
    drift = (quantiles.detach() - old_quantiles).abs().mean()
    return policy_loss + vf_coef * value_loss, {"quantile_drift": drift}
