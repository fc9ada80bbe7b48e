"""A critic over tokens: clipped predictions, and a mean over the tokens of the responses."""

import torch


def masked_mean(x, mask):
    return (x * mask).sum() / mask.sum().clamp(min=1)


def compute_value_loss(vpreds, values, returns, response_mask, cliprange_value=0.2):
    vpredclipped = torch.min(torch.max(vpreds, values - cliprange_value), values + cliprange_value)
    losses = (vpreds - returns).square()
    clipped_losses = (vpredclipped - returns).square()
    return 0.5 * masked_mean(torch.maximum(losses, clipped_losses), response_mask)
