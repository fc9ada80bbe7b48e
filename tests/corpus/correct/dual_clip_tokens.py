"""verl with dual clip (Ye et al. 2020): for negative advantages the loss is bounded at c times their size."""

import torch


def loss(
    old_log_prob,
    log_prob,
    advantages,
    response_mask,
    clip_ratio_low=0.2,
    clip_ratio_high=0.2,
    clip_ratio_c=3.0,
):
    log_ratio = torch.clamp(log_prob - old_log_prob, min=-20.0, max=20.0)
    ratio = torch.exp(log_ratio)
    plain = -advantages * ratio
    clipped = -advantages * torch.clamp(ratio, 1 - clip_ratio_low, 1 + clip_ratio_high)
    pessimistic = torch.maximum(plain, clipped)
    bounded = torch.min(-advantages * clip_ratio_c, pessimistic)
    pg_losses = torch.where(advantages < 0, bounded, pessimistic)
    return (pg_losses * response_mask).sum() / response_mask.sum().clamp(min=1)
