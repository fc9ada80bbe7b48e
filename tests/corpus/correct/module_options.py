"""A loss as an nn.Module whose constructor takes every option; terms come back in a dict."""

import torch
from torch import nn


class Loss(nn.Module):
    def __init__(self, clip_eps=0.2, value_loss_coef=0.5, entropy_coef=0.01, normalize_advantage=True):
        super().__init__()
        self.clip_eps = clip_eps
        self.value_loss_coef = value_loss_coef
        self.entropy_coef = entropy_coef
        self.normalize_advantage = normalize_advantage

    def forward(self, log_prob, old_log_prob, advantages, value, value_target, entropy):
        if self.normalize_advantage and advantages.numel() > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        ratio = (log_prob - old_log_prob).exp()
        clipped = ratio.clamp(1 - self.clip_eps, 1 + self.clip_eps)
        policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).mean()
        value_loss = (value_target - value).pow(2).mean()
        entropy_bonus = entropy.mean()
        total = policy_loss + self.value_loss_coef * value_loss - self.entropy_coef * entropy_bonus
        return {
            "loss": total,
            "policy_loss": policy_loss.detach(),
            "value_loss": value_loss.detach(),
            "entropy": entropy_bonus.detach(),
        }
