"""Half-precision log-probs are widened to float32 before they are subtracted and exponentiated."""

import torch


def loss(log_probs, old_log_probs, advantages, action_mask, eps_clip=0.2):
    log_ratio = log_probs.float() - old_log_probs.float()
    ratio = torch.exp(log_ratio)
    adv = advantages.float()
    surr1 = ratio * adv
    surr2 = torch.clamp(ratio, 1.0 - eps_clip, 1.0 + eps_clip) * adv
    token_losses = -torch.min(surr1, surr2)
    keep = action_mask.bool()
    token_losses = torch.where(keep, token_losses, torch.zeros_like(token_losses))
    return token_losses.sum() / keep.sum().clamp(min=1)
