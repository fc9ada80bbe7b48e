"""A batch object with attributes, tokens with a response mask, entropy and critic under the same mask."""

from types import SimpleNamespace

import torch


def masked_mean(x, mask):
    return (x * mask).sum() / mask.sum().clamp(min=1)


def loss(batch: SimpleNamespace, clip_ratio=0.2, cliprange_value=0.5, vf_coef=0.5, entropy_coeff=0.001):
    mask = batch.response_mask
    ratio = torch.exp(batch.log_prob - batch.old_log_prob)
    pg_losses = -batch.advantages * ratio
    pg_losses2 = -batch.advantages * torch.clamp(ratio, 1 - clip_ratio, 1 + clip_ratio)
    pg_loss = masked_mean(torch.max(pg_losses, pg_losses2), mask)

    low, high = batch.values - cliprange_value, batch.values + cliprange_value
    vpredclipped = torch.maximum(torch.minimum(batch.vpreds, high), low)
    vf_losses1 = (batch.vpreds - batch.returns) ** 2
    vf_losses2 = (vpredclipped - batch.returns) ** 2
    vf_loss = 0.5 * masked_mean(torch.max(vf_losses1, vf_losses2), mask)

    entropy_loss = masked_mean(batch.entropy, mask)
    return pg_loss + vf_coef * vf_loss - entropy_coeff * entropy_loss
