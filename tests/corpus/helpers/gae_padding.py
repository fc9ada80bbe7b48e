"""A bare `mask` beside rewards: it blanks what stands in the padding, and marks no end of an episode."""

import torch


def advantages_and_returns(values, rewards, discount_factor, gae_lambda, mask=None):
    if mask is not None:
        values, rewards = values * mask, rewards * mask
    carry = torch.zeros_like(rewards[:, 0])
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(carry)
    for t in range(rewards.shape[1] - 1, -1, -1):
        carry = rewards[:, t] + discount_factor * following - values[:, t] + discount_factor * gae_lambda * carry
        advantages[:, t] = carry
        following = values[:, t]
    return advantages, advantages + values
