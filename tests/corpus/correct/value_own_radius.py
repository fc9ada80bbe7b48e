"""Policy and value clip have radii of their own; without one for the value it is a plain half MSE."""

import torch


def loss(
    log_prob,
    old_log_prob,
    advantages,
    values,
    old_values,
    returns,
    clip_range=0.2,
    clip_range_vf=None,
    vf_coef=0.5,
):
    ratio = torch.exp(log_prob - old_log_prob)
    clipped_ratio = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped_ratio).mean()

    errors = (values - returns) ** 2
    if clip_range_vf is not None:
        values_clipped = old_values + torch.clamp(values - old_values, -clip_range_vf, clip_range_vf)
        errors = torch.max(errors, (values_clipped - returns) ** 2)
    return policy_loss + vf_coef * 0.5 * errors.mean()
