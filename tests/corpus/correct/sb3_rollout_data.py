"""Stable-Baselines3's manner: evaluated actions beside a rollout namedtuple, normalisation guarded, -H added."""

from typing import NamedTuple

import torch
import torch.nn.functional as F


class RolloutData(NamedTuple):
    old_values: torch.Tensor
    old_log_prob: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


def loss(values, log_prob, entropy, rollout_data: RolloutData, clip_range=0.2, ent_coef=0.01, vf_coef=0.5):
    advantages = rollout_data.advantages
    if len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    ratio = torch.exp(log_prob - rollout_data.old_log_prob)
    policy_loss_1 = advantages * ratio
    policy_loss_2 = advantages * torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    policy_loss = -torch.min(policy_loss_1, policy_loss_2).mean()

    value_loss = F.mse_loss(rollout_data.returns, values.flatten())
    entropy_loss = -torch.mean(entropy)
    return policy_loss + ent_coef * entropy_loss + vf_coef * value_loss
