"""PPO's clipped value loss, as a function of its own."""

import torch


def value_loss(values, old_values, returns, clip_range):
    clipped = old_values + torch.clamp(values - old_values, -clip_range, clip_range)
    unclipped_error = (values - returns) ** 2
    clipped_error = (clipped - returns) ** 2
    return 0.5 * torch.max(unclipped_error, clipped_error).mean()
