"""Returns first, then advantages that are normalised on the way out; a trailing axis of one."""

import torch


def compute_gae(*, rewards, dones, values, last_values, discount_factor=0.99, lambda_coefficient=0.95):
    advantage = 0
    advantages = torch.zeros_like(rewards)
    not_dones = dones.logical_not()
    for i in reversed(range(rewards.shape[0])):
        following = values[i + 1] if i < rewards.shape[0] - 1 else last_values
        advantage = rewards[i] - values[i] + discount_factor * not_dones[i] * (following + lambda_coefficient * advantage)
        advantages[i] = advantage
    returns = advantages + values
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return returns, advantages
