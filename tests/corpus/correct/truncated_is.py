"""PPO on tokens sampled by another engine: a constant, capped weight corrects old against rollout log-probs."""

import torch


def loss(log_probs, old_log_probs, rollout_log_probs, advantages, loss_mask, eps_clip=0.2, tis_cap=2.0):
    weight = torch.exp(old_log_probs - rollout_log_probs).clamp(max=tis_cap)
    ratio = torch.exp(log_probs - old_log_probs)
    surrogate = torch.min(ratio * advantages, ratio.clamp(1 - eps_clip, 1 + eps_clip) * advantages)
    token_loss = -weight * surrogate
    return (token_loss * loss_mask).sum() / loss_mask.sum().clamp(min=1)
