"""PPO with a small advantage-weighted cloning term beside it, weights capped at 20 (AWR, Peng et al. 2019)."""

import torch


def loss(log_prob, old_log_prob, advantages, clip_range=0.2):
    if advantages.numel() > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_prob - old_log_prob)
    clipped = torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(ratio * advantages, clipped * advantages).mean()

    weights = torch.exp(advantages).clamp(max=20.0)
    bc_loss = -(weights * log_prob).mean()
    return policy_loss + 0.05 * bc_loss
