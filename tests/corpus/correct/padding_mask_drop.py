"""TRL's PPOv2 manner: `padding_mask` marks what to drop, values are the old ones, vpred the new."""

import torch


def masked_mean(x, mask):
    return x[mask].mean() if mask.any() else (x * 0).sum()


def loss(
    new_logprobs,
    mb_logprobs,
    mb_advantage,
    vpred,
    mb_values,
    mb_return,
    padding_mask,
    cliprange=0.2,
    cliprange_value=0.2,
    vf_coef=0.1,
):
    """`padding_mask` is True at padding."""
    keep = ~padding_mask
    vpredclipped = torch.clamp(vpred, mb_values - cliprange_value, mb_values + cliprange_value)
    vf_losses1 = torch.square(vpred - mb_return)
    vf_losses2 = torch.square(vpredclipped - mb_return)
    vf_loss = 0.5 * masked_mean(torch.max(vf_losses1, vf_losses2), keep)

    ratio = torch.exp(new_logprobs - mb_logprobs)
    pg_losses = -mb_advantage * ratio
    pg_losses2 = -mb_advantage * torch.clamp(ratio, 1.0 - cliprange, 1.0 + cliprange)
    pg_loss = masked_mean(torch.max(pg_losses, pg_losses2), keep)
    return pg_loss + vf_coef * vf_loss
