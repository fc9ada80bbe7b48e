"""RLHF manner with an integer mask: advantages are whitened over valid tokens only, then masked again."""

import torch


def masked_mean(x, mask):
    return (x * mask).sum() / mask.sum().clamp(min=1)


def whiten(x, mask):
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean) ** 2, mask)
    return (x - mean) * torch.rsqrt(variance + 1e-8) * mask


def loss(logprobs, old_logprobs, advantages, vpred, values, returns, mask, cliprange=0.2, cliprange_value=0.2):
    advantages = whiten(advantages, mask)
    ratio = torch.exp(logprobs - old_logprobs)
    pg_losses = torch.max(-advantages * ratio, -advantages * ratio.clamp(1 - cliprange, 1 + cliprange))

    vpredclipped = torch.clamp(vpred, values - cliprange_value, values + cliprange_value)
    vf_losses = torch.max((vpred - returns) ** 2, (vpredclipped - returns) ** 2)
    return masked_mean(pg_losses, mask) + 0.1 * 0.5 * masked_mean(vf_losses, mask)
